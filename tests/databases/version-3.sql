PRAGMA user_version = 3;
CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    session_n INTEGER NOT NULL DEFAULT 0,
    session TEXT,
    instance TEXT,
    past_instances TEXT NOT NULL DEFAULT '[]',
    session_at INTEGER,
    rev INTEGER NOT NULL DEFAULT 1,
    agent TEXT,
    shared TEXT NOT NULL DEFAULT '[]',
    labels TEXT NOT NULL DEFAULT '{}',
    last_seen INTEGER NOT NULL,
    conflicts INTEGER NOT NULL DEFAULT 0,
    conflict_at INTEGER,
    conflict_hostname TEXT
  ) STRICT;
CREATE TABLE labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id),
    PRIMARY KEY (key, value, client_id)
  ) STRICT, WITHOUT ROWID;
CREATE TABLE downloads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES clients (id),
    kind TEXT NOT NULL,
    path TEXT,
    priority INTEGER NOT NULL,
    policy TEXT NOT NULL,
    note TEXT,
    batch_id TEXT,
    naming TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    source TEXT,
    whole INTEGER NOT NULL DEFAULT 0,
    size INTEGER,
    bytes_received INTEGER NOT NULL DEFAULT 0,
    bytes_resent INTEGER NOT NULL DEFAULT 0,
    mismatches INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT,
    verified INTEGER NOT NULL DEFAULT 0,
    name TEXT,
    source_path TEXT,
    source_modified INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    expires_in INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    removed_at INTEGER
  ) STRICT;
CREATE TABLE names (
    key TEXT PRIMARY KEY,
    download_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
CREATE TABLE chunks (
    download_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    digest TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (download_id, attempt, start)
  ) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    download_ids TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
INSERT INTO clients VALUES ('shop_away',1,'1.cJnJhtVR2-yu2HKa','instance-of-shop_away','["instance-of-shop_away"]',1795301908881,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301908882,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_busy',1,'1.Vi8Hj8_M1M-P_M46','instance-of-shop_busy','["instance-of-shop_busy"]',1795301908856,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301908873,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_done',1,'1.KNdxRWGGTSQzge2M','instance-of-shop_done','["instance-of-shop_done"]',1795301908734,5,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301908792,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_late',1,'1.NkxUa_7wfcBozOEb','instance-of-shop_late','["instance-of-shop_late"]',1795301908892,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301908893,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_lost',1,'1.QI0AtyVVoTghhVqw','instance-of-shop_lost','["instance-of-shop_lost"]',1795301908874,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301908875,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_void',1,'1.6aQt2OHWdqRZmYVY','instance-of-shop_void','["instance-of-shop_void"]',1795301908886,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301908886,0,NULL,NULL);
INSERT INTO labels VALUES ('region','north','shop_away');
INSERT INTO labels VALUES ('region','north','shop_busy');
INSERT INTO labels VALUES ('region','north','shop_done');
INSERT INTO labels VALUES ('region','north','shop_late');
INSERT INTO labels VALUES ('region','north','shop_lost');
INSERT INTO labels VALUES ('region','north','shop_void');
INSERT INTO downloads VALUES (1,'608efb41-20b1-4e41-be43-2e13f3a929f9','shop_done','file','menu.txt',0,'fail','night',NULL,'plain','completed',NULL,NULL,1,'size-300000',0,300000,300000,0,0,'e2fc750eb4a0b74270fbe0f6d07b25f6797bb2b1b626b0c6fe626ef7d6e4a973',1,'shop_done_menu.txt','/srv/menu.txt',NULL,1795301908746,1795301908768,1795301908850,604800000,1795906708746,NULL);
INSERT INTO downloads VALUES (2,'2c6185d1-f9f2-4dd5-96d0-80052c17b57e','shop_busy','file','menu.txt',0,'size-only','night',NULL,'plain','transferring',NULL,NULL,1,'size-300000',0,300000,131072,0,0,NULL,0,NULL,'/srv/menu.txt',NULL,1795301908860,1795301908865,NULL,604800000,1795906708860,NULL);
INSERT INTO downloads VALUES (3,'cc3ad3f6-e5f8-446e-b884-2cf948a3f40e','shop_lost','file','menu.txt',0,'fail','night',NULL,'plain','failed','not-found','It does not exist.',0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301908876,NULL,1795301908879,604800000,1795906708876,NULL);
INSERT INTO downloads VALUES (4,'8aad3889-9d87-43d5-9ad0-339f995452e7','shop_away','file','menu.txt',5,'fail','night',NULL,'plain','queued',NULL,NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301908883,NULL,NULL,604800000,1795906708883,NULL);
INSERT INTO downloads VALUES (5,'9500470d-dc98-4caa-99db-46152c8cae5b','shop_void','file','menu.txt',0,'fail','night',NULL,'plain','cancelled','cancelled',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301908888,NULL,1795301908890,604800000,1795906708888,NULL);
INSERT INTO downloads VALUES (6,'3272cc4a-8275-4c11-af66-75181e31ef64','shop_late','file','menu.txt',0,'fail','night',NULL,'plain','expired','expired',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301908894,NULL,1795301910665,1000,1795301909894,NULL);
INSERT INTO names VALUES ('shop_done_menu.txt','608efb41-20b1-4e41-be43-2e13f3a929f9');
INSERT INTO chunks VALUES ('2c6185d1-f9f2-4dd5-96d0-80052c17b57e',1,0,65536,'ea9e9dcd74dba31365624c55f76c9a66660627b5a43f221aac325a3eba18c20d','');
INSERT INTO chunks VALUES ('2c6185d1-f9f2-4dd5-96d0-80052c17b57e',1,131072,196608,'f4763f833f2c84b89c8639e75804443a7c76934add8f294be8144a06a567a9a0','');
INSERT INTO chunks VALUES ('608efb41-20b1-4e41-be43-2e13f3a929f9',1,0,100000,'c67a3ca61db37b1e3620f1e2e9ea91a6e05015aec62f516e0563dab9408685ca','');
INSERT INTO chunks VALUES ('608efb41-20b1-4e41-be43-2e13f3a929f9',1,100000,300000,'f803a797a158eb4539558b6eaf837a36aca7b38b7f6bc8ac1cb3f1a7f3ff9a94','');
CREATE INDEX labels_of_client ON labels (client_id);
CREATE INDEX open_jobs ON downloads (client_id, priority DESC, seq) WHERE status IN ('queued', 'transferring');
CREATE INDEX open_expiry ON downloads (expires_at) WHERE status IN ('queued', 'transferring');
CREATE INDEX downloads_of_client ON downloads (client_id, seq);
CREATE INDEX downloads_by_status ON downloads (status, seq);
CREATE INDEX downloads_of_batch ON downloads (batch_id, seq) WHERE batch_id IS NOT NULL;
CREATE INDEX downloads_by_note ON downloads (note, seq) WHERE note IS NOT NULL;
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX taking_up ON downloads (client_id, id, size)
    WHERE status IN ('transferring', 'verifying', 'completed') AND removed_at IS NULL;
CREATE INDEX kept_parts ON downloads (completed_at) WHERE status IN ('failed', 'expired') AND source IS NOT NULL;
CREATE INDEX finished ON downloads (completed_at) WHERE status = 'completed' AND removed_at IS NULL;
CREATE INDEX half_removed ON downloads (seq) WHERE removed_at IS NOT NULL AND name IS NOT NULL;
CREATE INDEX downloads_of_client_by_status ON downloads (client_id, status, seq);
