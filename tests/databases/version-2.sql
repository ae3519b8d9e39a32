PRAGMA user_version = 2;
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
INSERT INTO clients VALUES ('shop_away',1,'1.7R8ii5TXk7h98mBf','instance-of-shop_away','["instance-of-shop_away"]',1795301906247,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301906247,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_busy',1,'1.y4A6dA0BVpf4FHzZ','instance-of-shop_busy','["instance-of-shop_busy"]',1795301906220,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301906236,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_done',1,'1.uWQ3jZEQUCDEO9JO','instance-of-shop_done','["instance-of-shop_done"]',1795301906086,5,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301906151,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_late',1,'1.cJ4qiugf4KMuTndw','instance-of-shop_late','["instance-of-shop_late"]',1795301906259,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301906260,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_lost',1,'1.YxUytByVLq2dGlmP','instance-of-shop_lost','["instance-of-shop_lost"]',1795301906238,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301906239,0,NULL,NULL);
INSERT INTO clients VALUES ('shop_void',1,'1.TBOuePGqZBdvFTN5','instance-of-shop_void','["instance-of-shop_void"]',1795301906251,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795301906252,0,NULL,NULL);
INSERT INTO labels VALUES ('region','north','shop_away');
INSERT INTO labels VALUES ('region','north','shop_busy');
INSERT INTO labels VALUES ('region','north','shop_done');
INSERT INTO labels VALUES ('region','north','shop_late');
INSERT INTO labels VALUES ('region','north','shop_lost');
INSERT INTO labels VALUES ('region','north','shop_void');
INSERT INTO downloads VALUES (1,'02535609-e7fb-4a5b-93d3-bed7edb8d801','shop_done','file','menu.txt',0,'fail','night',NULL,'plain','completed',NULL,NULL,1,'size-300000',0,300000,300000,0,0,'e2fc750eb4a0b74270fbe0f6d07b25f6797bb2b1b626b0c6fe626ef7d6e4a973',1,'shop_done_menu.txt','/srv/menu.txt',NULL,1795301906097,1795301906109,1795301906213,604800000,1795906706097,NULL);
INSERT INTO downloads VALUES (2,'e0abc5dc-8f44-4dc3-886f-f2f2af7a31b0','shop_busy','file','menu.txt',0,'size-only','night',NULL,'plain','transferring',NULL,NULL,1,'size-300000',0,300000,131072,0,0,NULL,0,NULL,'/srv/menu.txt',NULL,1795301906223,1795301906228,NULL,604800000,1795906706223,NULL);
INSERT INTO downloads VALUES (3,'20ff1fcd-4aae-4530-ac48-e9a5d8f34d16','shop_lost','file','menu.txt',0,'fail','night',NULL,'plain','failed','not-found','It does not exist.',0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301906241,NULL,1795301906244,604800000,1795906706241,NULL);
INSERT INTO downloads VALUES (4,'f6ed9979-cfc1-4053-9d5e-54a1d7281ad3','shop_away','file','menu.txt',5,'fail','night',NULL,'plain','queued',NULL,NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301906249,NULL,NULL,604800000,1795906706249,NULL);
INSERT INTO downloads VALUES (5,'882da8ad-5d55-412b-b08a-840618fc6487','shop_void','file','menu.txt',0,'fail','night',NULL,'plain','cancelled','cancelled',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301906253,NULL,1795301906255,604800000,1795906706253,NULL);
INSERT INTO downloads VALUES (6,'d23a1e9d-e7ae-4b4a-beee-750f35ae686a','shop_late','file','menu.txt',0,'fail','night',NULL,'plain','expired','expired',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795301906261,NULL,1795301908016,1000,1795301907261,NULL);
INSERT INTO names VALUES ('shop_done_menu.txt','02535609-e7fb-4a5b-93d3-bed7edb8d801');
INSERT INTO chunks VALUES ('02535609-e7fb-4a5b-93d3-bed7edb8d801',1,0,100000,'c67a3ca61db37b1e3620f1e2e9ea91a6e05015aec62f516e0563dab9408685ca','');
INSERT INTO chunks VALUES ('02535609-e7fb-4a5b-93d3-bed7edb8d801',1,100000,300000,'f803a797a158eb4539558b6eaf837a36aca7b38b7f6bc8ac1cb3f1a7f3ff9a94','');
INSERT INTO chunks VALUES ('e0abc5dc-8f44-4dc3-886f-f2f2af7a31b0',1,0,65536,'ea9e9dcd74dba31365624c55f76c9a66660627b5a43f221aac325a3eba18c20d','');
INSERT INTO chunks VALUES ('e0abc5dc-8f44-4dc3-886f-f2f2af7a31b0',1,131072,196608,'f4763f833f2c84b89c8639e75804443a7c76934add8f294be8144a06a567a9a0','');
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
