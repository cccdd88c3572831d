BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE endpoints (
	inference_id TEXT NOT NULL, 
	version TEXT NOT NULL, 
	task_type TEXT NOT NULL, 
	service TEXT NOT NULL, 
	document JSON NOT NULL, 
	secrets JSON NOT NULL, 
	dimensions INTEGER, 
	PRIMARY KEY (inference_id), 
	UNIQUE (version)
);
INSERT INTO "endpoints" VALUES('plain','56506f50d6624098a91867a0bfa0116f','completion','openai','{"service_settings": {"model_id": "m"}}','{"api_key": "ea7ba47a.Hr0Rw/MGO55o7wOm6/AiujajYMQk31MtQjl0f9Kwpk+yz/ablK+R/2O5roLOhZ1p"}',NULL);
INSERT INTO "endpoints" VALUES('full','3c9072fb08854289a61b1a91e3831b4a','text_embedding','openai','{"service_settings": {"model_id": "m", "organization_id": "o", "rate_limit": {"requests_per_minute": 7, "burst": 1}, "dimensions": 3}, "task_settings": {"user": "\u00fc", "headers": {"a": "b"}}, "chunking_settings": {"strategy": "word", "max_chunk_size": 100, "overlap": 10}, "aliases": ["one", "two"], "cache": {"memory_bytes": 1000, "disk_bytes": 2000}}','{"api_key": "ea7ba47a.VpObjKlfvHR2aJftq2ud+wcsb+/WgJ1WKb0TAbD48mvkqlRaiMmRECGVLBtU9rzb"}',3);
INSERT INTO "endpoints" VALUES('sparse','3e6671eaddb8415c84b3ce99773ddf5c','text_embedding','hugging_face','{"service_settings": {"url": "https://tei.test/embed"}, "chunking_settings": {"strategy": "none"}}','{"api_key": "ea7ba47a.fogJoedrPXP1B/RE2XccyjTSkxFtcsfGTTw0TGp2GRs8B9Nue0hAyCkYh9BevNXx"}',3);
INSERT INTO "endpoints" VALUES('moved','c5a0fe25d58e406484730fb64335c4f7','text_embedding','gone','{"service_settings": {"url": "https://tei.test/embed", "colour": "red"}, "chunking_settings": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1}, "aliases": ["three"]}','{"api_key": "ea7ba47a.DX78f4tyDPs9BInB7hxFi3cHShDxoCcRN0Cr0NPBhyQthw=="}',3);
CREATE TABLE former_aliases (
	name TEXT NOT NULL, 
	inference_id TEXT NOT NULL, 
	space TEXT NOT NULL, 
	dimensions INTEGER, 
	PRIMARY KEY (name)
);
CREATE TABLE names (
	name TEXT NOT NULL, 
	inference_id TEXT NOT NULL, 
	PRIMARY KEY (name), 
	FOREIGN KEY(inference_id) REFERENCES endpoints (inference_id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "names" VALUES('plain','plain');
INSERT INTO "names" VALUES('full','full');
INSERT INTO "names" VALUES('one','full');
INSERT INTO "names" VALUES('two','full');
INSERT INTO "names" VALUES('sparse','sparse');
INSERT INTO "names" VALUES('moved','moved');
INSERT INTO "names" VALUES('three','moved');
CREATE INDEX ix_names_inference_id ON names (inference_id);
COMMIT;
