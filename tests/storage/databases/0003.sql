BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE endpoints (
	inference_id TEXT NOT NULL, 
	task_type TEXT NOT NULL, 
	service TEXT NOT NULL, 
	settings JSON NOT NULL, 
	secrets JSON NOT NULL, 
	options JSON NOT NULL, 
	chunking JSON, 
	dimensions INTEGER, 
	version TEXT NOT NULL, aliases JSON DEFAULT '[]' NOT NULL, cache JSON, 
	PRIMARY KEY (inference_id), 
	UNIQUE (version)
);
INSERT INTO "endpoints" VALUES('plain','completion','openai','{"model_id": "m"}','{"api_key": "ea7ba47a.Hr0Rw/MGO55o7wOm6/AiujajYMQk31MtQjl0f9Kwpk+yz/ablK+R/2O5roLOhZ1p"}','{}',NULL,NULL,'56506f50d6624098a91867a0bfa0116f','[]',NULL);
INSERT INTO "endpoints" VALUES('full','text_embedding','openai','{"model_id": "m", "organization_id": "o", "rate_limit": {"requests_per_minute": 7, "burst": 1}, "dimensions": 3}','{"api_key": "ea7ba47a.VpObjKlfvHR2aJftq2ud+wcsb+/WgJ1WKb0TAbD48mvkqlRaiMmRECGVLBtU9rzb"}','{"user": "\u00fc", "headers": {"a": "b"}}','{"strategy": "word", "max_chunk_size": 100, "overlap": 10}',3,'3c9072fb08854289a61b1a91e3831b4a','["one", "two"]','{"memory_bytes": 1000, "disk_bytes": 2000}');
INSERT INTO "endpoints" VALUES('sparse','text_embedding','hugging_face','{"url": "https://tei.test/embed"}','{"api_key": "ea7ba47a.fogJoedrPXP1B/RE2XccyjTSkxFtcsfGTTw0TGp2GRs8B9Nue0hAyCkYh9BevNXx"}','{}','{"strategy": "none"}',3,'3e6671eaddb8415c84b3ce99773ddf5c','[]',NULL);
INSERT INTO "endpoints" VALUES('moved','text_embedding','gone','{"url": "https://tei.test/embed", "colour": "red"}','{"api_key": "ea7ba47a.DX78f4tyDPs9BInB7hxFi3cHShDxoCcRN0Cr0NPBhyQthw=="}','{}','{"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1}',3,'c5a0fe25d58e406484730fb64335c4f7','["three"]',NULL);
COMMIT;
