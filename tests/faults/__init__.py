"""What the tests of failing runs share."""
