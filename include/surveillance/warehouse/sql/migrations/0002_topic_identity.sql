-- Which log an offset is of: Kafka's id of the topic, and the leader epoch of the last message before the offset.
alter table raw.kafka_offsets add column if not exists topic_id varchar;

alter table raw.kafka_offsets add column if not exists leader_epoch number;
