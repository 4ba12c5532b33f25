-- Customers have no ids; the row number of the file is used. All attributes date from before the experiment.
SELECT line__ AS customer_id, zip_code AS region, lower(channel) AS attr_channel, recency AS attr_months_since_order,
       history AS attr_spend_last_year, mens AS attr_bought_mens, womens AS attr_bought_womens, newbie AS attr_new,
       line__
FROM rows
