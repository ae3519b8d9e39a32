PRAGMA user_version = 5;
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
  , update_order TEXT) STRICT;
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
  , asked_by TEXT) STRICT;
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
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    content INTEGER NOT NULL,
    clients TEXT,
    paths TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
  ) STRICT;
CREATE TABLE enrolments (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    clients TEXT NOT NULL,
    labels TEXT NOT NULL,
    uses_left INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) STRICT;
CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    public_key TEXT,
    hash TEXT UNIQUE,
    enrolment_id TEXT,
    created_at INTEGER NOT NULL,
    proven_at INTEGER,
    revoked_at INTEGER
  ) STRICT;
CREATE TABLE session_tokens (
    hash TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    session TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    client_id TEXT,
    path TEXT,
    download_id TEXT,
    status INTEGER NOT NULL,
    code TEXT
  ) STRICT;
INSERT INTO clients VALUES ('shop_away',1,'1.Hqu_pSYmnjoCVySM','instance-of-shop_away','["instance-of-shop_away"]',1795310376048,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795310376048,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_busy',1,'1.2AaR7qBlDadR_hhY','instance-of-shop_busy','["instance-of-shop_busy"]',1795310376004,3,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795310376033,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_done',1,'1.YQLAVxazZd6doBNi','instance-of-shop_done','["instance-of-shop_done"]',1795310375851,5,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795310375931,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_late',1,'1.sxZ3x_gHghg1hd8e','instance-of-shop_late','["instance-of-shop_late"]',1795310376065,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795310376066,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_lost',1,'1.Ragcv-3nnn-Nu4H4','instance-of-shop_lost','["instance-of-shop_lost"]',1795310376035,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795310376036,0,NULL,NULL,NULL);
INSERT INTO clients VALUES ('shop_void',1,'1.2NOLEHzsb5Zr9jCp','instance-of-shop_void','["instance-of-shop_void"]',1795310376056,4,'{"version":"0.0.1","platform":"linux-x64","hostname":"till"}','["/srv"]','{"region":"north"}',1795310376056,0,NULL,NULL,NULL);
INSERT INTO labels VALUES ('region','north','shop_away');
INSERT INTO labels VALUES ('region','north','shop_busy');
INSERT INTO labels VALUES ('region','north','shop_done');
INSERT INTO labels VALUES ('region','north','shop_late');
INSERT INTO labels VALUES ('region','north','shop_lost');
INSERT INTO labels VALUES ('region','north','shop_void');
INSERT INTO downloads VALUES (1,'8237962a-711d-4eac-b243-103a5157d671','shop_done','file','menu.txt',0,'fail','night',NULL,'plain','completed',NULL,NULL,1,'size-300000',0,300000,300000,0,0,'e2fc750eb4a0b74270fbe0f6d07b25f6797bb2b1b626b0c6fe626ef7d6e4a973',1,'shop_done_menu.txt','/srv/menu.txt',NULL,1795310375865,1795310375890,1795310375997,604800000,1795915175865,NULL,NULL);
INSERT INTO downloads VALUES (2,'b0445492-3ff9-4721-b769-bfa606f569ac','shop_busy','file','menu.txt',0,'size-only','night',NULL,'plain','transferring',NULL,NULL,1,'size-300000',0,300000,131072,0,0,NULL,0,NULL,'/srv/menu.txt',NULL,1795310376009,1795310376018,NULL,604800000,1795915176009,NULL,NULL);
INSERT INTO downloads VALUES (3,'cfc57530-1494-456f-a602-399605c5053b','shop_lost','file','menu.txt',0,'fail','night',NULL,'plain','failed','not-found','It does not exist.',0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795310376038,NULL,1795310376045,604800000,1795915176038,NULL,NULL);
INSERT INTO downloads VALUES (4,'0f788ad6-866e-42fc-b3a0-dbc8a0800903','shop_away','file','menu.txt',5,'fail','night',NULL,'plain','queued',NULL,NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795310376050,NULL,NULL,604800000,1795915176050,NULL,NULL);
INSERT INTO downloads VALUES (5,'cd45d69a-fa77-45cc-b8b4-b11c16cd1650','shop_void','file','menu.txt',0,'fail','night',NULL,'plain','cancelled','cancelled',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795310376058,NULL,1795310376061,604800000,1795915176058,NULL,NULL);
INSERT INTO downloads VALUES (6,'01b3d01f-a30e-4a59-aea9-9734bb054e13','shop_late','file','menu.txt',0,'fail','night',NULL,'plain','expired','expired',NULL,0,NULL,0,NULL,0,0,0,NULL,0,NULL,NULL,NULL,1795310376067,NULL,1795310377760,1000,1795310377067,NULL,NULL);
INSERT INTO names VALUES ('shop_done_menu.txt','8237962a-711d-4eac-b243-103a5157d671');
INSERT INTO chunks VALUES ('8237962a-711d-4eac-b243-103a5157d671',1,0,100000,'c67a3ca61db37b1e3620f1e2e9ea91a6e05015aec62f516e0563dab9408685ca','');
INSERT INTO chunks VALUES ('8237962a-711d-4eac-b243-103a5157d671',1,100000,300000,'f803a797a158eb4539558b6eaf837a36aca7b38b7f6bc8ac1cb3f1a7f3ff9a94','');
INSERT INTO chunks VALUES ('b0445492-3ff9-4721-b769-bfa606f569ac',1,0,65536,'ea9e9dcd74dba31365624c55f76c9a66660627b5a43f221aac325a3eba18c20d','');
INSERT INTO chunks VALUES ('b0445492-3ff9-4721-b769-bfa606f569ac',1,131072,196608,'f4763f833f2c84b89c8639e75804443a7c76934add8f294be8144a06a567a9a0','');
INSERT INTO audit VALUES (1,1795310375875,'anyone','127.0.0.1','POST /downloads','shop_done','menu.txt','8237962a-711d-4eac-b243-103a5157d671',202,NULL);
INSERT INTO audit VALUES (2,1795310376011,'anyone','127.0.0.1','POST /downloads','shop_busy','menu.txt','b0445492-3ff9-4721-b769-bfa606f569ac',202,NULL);
INSERT INTO audit VALUES (3,1795310376040,'anyone','127.0.0.1','POST /downloads','shop_lost','menu.txt','cfc57530-1494-456f-a602-399605c5053b',202,NULL);
INSERT INTO audit VALUES (4,1795310376051,'anyone','127.0.0.1','POST /downloads','shop_away','menu.txt','0f788ad6-866e-42fc-b3a0-dbc8a0800903',202,NULL);
INSERT INTO audit VALUES (5,1795310376059,'anyone','127.0.0.1','POST /downloads','shop_void','menu.txt','cd45d69a-fa77-45cc-b8b4-b11c16cd1650',202,NULL);
INSERT INTO audit VALUES (6,1795310376063,'anyone','127.0.0.1','DELETE /downloads/{id}','shop_void','menu.txt','cd45d69a-fa77-45cc-b8b4-b11c16cd1650',200,NULL);
INSERT INTO audit VALUES (7,1795310376068,'anyone','127.0.0.1','POST /downloads','shop_late','menu.txt','01b3d01f-a30e-4a59-aea9-9734bb054e13',202,NULL);
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
CREATE INDEX credentials_of_client ON credentials (client_id, created_at);
CREATE INDEX session_tokens_of_credential ON session_tokens (credential_id);
CREATE INDEX session_tokens_by_end ON session_tokens (expires_at);
CREATE INDEX audit_of_client ON audit (client_id, seq) WHERE client_id IS NOT NULL;
CREATE INDEX audit_of_actor ON audit (actor, seq);
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
