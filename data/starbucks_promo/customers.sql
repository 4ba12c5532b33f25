-- Seven attributes without a description, unchanged.
SELECT ID AS customer_id, V1 AS attr_v1, V2 AS attr_v2, V3 AS attr_v3, V4 AS attr_v4, V5 AS attr_v5, V6 AS attr_v6,
       V7 AS attr_v7, line__
FROM rows
