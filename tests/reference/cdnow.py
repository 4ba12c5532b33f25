"""CDNOW, the 1/10 sample: time in weeks, calibration to 1997-09-30, a customer's purchases of one day merged.

FHL 2005: Fader, Hardie & Lee, Marketing Science 24(2), tables 1 and 2. FH 2013: Fader & Hardie, note 25 of
brucehardie.com. The spreadsheet is FHL's of the same paper.
"""

RAW = {"rows": 6_919, "customers": 2_357, "first": "1997-01-01", "last": "1998-06-30", "dollars": 244_091.94}
CALIBRATION = {"repeats": 2_457, "once": 1_411, "again": 946}
HOLDOUT_REPEATS = 1_882

PUBLISHED = {  # FHL 2005, table 2, printed to three decimals
    "bg_nbd": ({"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}, -9582.4),
    "pareto_nbd": ({"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}, -9595.0),
}
MBG_NBD = ({"r": 0.5248, "alpha": 6.1830, "a": 0.8914, "b": 1.6140}, -9582.13)  # by lifetimes 0.11.3
EXPECTED_REPEATS = {"bg_nbd": 1653.4, "mbg_nbd": 1576.7, "pareto_nbd": 1665.5}  # 39 weeks, by lifetimes 0.11.3
GAMMA_GAMMA = {"p": 6.25, "q": 3.74, "v": 15.44}  # FH 2013, 946 customers
GAMMA_GAMMA_MEAN = 35.17  # p·v / (q − 1) of the unrounded estimates
ORDER_VALUES = ((2, 22.35, 24.6586), (1, 11.77, 18.9115), (0, 0.0, 35.1710))  # lifetimes' documentation
EXPECTED_ORDERS = ((2, 30.43, 38.86, 39, 1.2259), (26, 30.86, 31.0, 52, 25.7595))  # FHL's spreadsheet
ALIVE = ((2, 30.43, 38.86, 0.7266), (26, 30.86, 31.0, 0.9689), (0, 0.0, 20.0, 1.0))
E_X_AT_38_86_WEEKS = 1.194  # closed form
CLV_OF_CUSTOMER_1, CLV_OF_ALL = 36.278, 71_510  # 12 months of 4.345 weeks at 1 % a month
