-- Nothing read it: order_count says the same.
alter table store.persons drop column is_buyer;
