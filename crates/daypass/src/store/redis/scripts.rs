//! The scripts that run inside Redis, each of them atomic, and the Redis keys that they use. The
//! store, its forgetting and its heartbeat run them.
//!
//! A script may be repeated where its reply was lost: the second run changes nothing and gives the
//! same reply.

use std::time::Duration;

use redis::Script;

use crate::store::{Fingerprint, StoreKey, StoredValue};

/// The values of KEYS: `{{nth, value, milliseconds left}, …}`.
const GET: &str = "
    local found = {}
    for nth, key in ipairs(KEYS) do
        local value = redis.call('GET', key)
        if value then found[#found + 1] = {nth, value, redis.call('PTTL', key)} end
    end
    return found";

/// Puts a value under the last of KEYS, unless one of the other keys has a value: `{{nth, value,
/// milliseconds left}}`.
const PUT_IF_ABSENT: &str = "
    for nth = 1, #KEYS - 1 do
        local value = redis.call('GET', KEYS[nth])
        if value == ARGV[1] then return {} end
        if value then return {{nth, value, redis.call('PTTL', KEYS[nth])}} end
    end
    redis.call('SET', KEYS[#KEYS], ARGV[1], 'PX', ARGV[2])
    return {}";

/// Puts a value that a node remembers (`{0, '', 0}`), unless there is another value (`{1, value,
/// milliseconds left}`), or unless its credentials (ARGV 3) were forgotten under another mark than
/// the node knows (ARGV 4): `{-1, '', 0}`.
const OFFER: &str = "
    local value = redis.call('GET', KEYS[1])
    if value then return {1, value, redis.call('PTTL', KEYS[1])} end
    local mark = redis.call('ZSCORE', KEYS[2], ARGV[3])
    if mark and mark ~= ARGV[4] then return {-1, '', 0} end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return {0, '', 0}";

/// The first value of all KEYS but the last, which is the lease. Without a value, the lease: `{-1,
/// '', 0}` acquired, `{-2, '', milliseconds left}` held by another owner.
const ACQUIRE_LEASE: &str = "
    for nth = 1, #KEYS - 1 do
        local value = redis.call('GET', KEYS[nth])
        if value then return {nth, value, redis.call('PTTL', KEYS[nth])} end
    end
    local lease = KEYS[#KEYS]
    local holder = redis.call('GET', lease)
    if holder and holder ~= ARGV[1] then return {-2, '', redis.call('PTTL', lease)} end
    redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])
    return {-1, '', 0}";

/// Puts the value under the second of KEYS, and further values under the keys after it, if the
/// owner still holds the lease (the first of KEYS), or if the lease is gone (evicted or expired)
/// and there is no other value. ARGV: the owner, then value and lifetime of each key.
const PUT_AND_RELEASE: &str = "
    local holder, value = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
    if value == ARGV[2] then return 1 end
    if holder == ARGV[1] or (not holder and not value) then
        for nth = 2, #KEYS do
            redis.call('SET', KEYS[nth], ARGV[2 * nth - 2], 'PX', ARGV[2 * nth - 1])
        end
        redis.call('DEL', KEYS[1])
        return 1
    end
    return 0";

/// Extends the lease if the owner holds it.
const RENEW: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 0";

/// Releases the lease if the owner holds it.
const RELEASE: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 1";

/// A node's sign of life. KEYS: the nodes, the marks. ARGV: the node's name, the last mark that it
/// has obeyed, and for how long the list of nodes is kept. Replies `{last mark, whether the node
/// was known, the error where it could not be listed, {credentials, mark, …} where its marks are
/// old}`.
const HEARTBEAT: &str = "
    local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or '0'
    local marks = {}
    if last ~= ARGV[2] then marks = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES') end
    if ARGV[1] == '' then return {last, 0, '', marks} end
    local known = redis.call('HEXISTS', KEYS[1], ARGV[1])
    local time = redis.call('TIME')
    local seen = string.format('%.0f:%s', time[1] * 1000 + math.floor(time[2] / 1000), last == ARGV[2] and last or '0')
    local noted, fault = redis.pcall('HSET', KEYS[1], ARGV[1], seen), ''
    if type(noted) == 'table' and noted.err then fault = noted.err else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
    return {last, known, fault, marks}";

/// Marks credentials (ARGV 1) as forgotten, with a mark above all earlier ones. Marks older than
/// ARGV 2 are removed.
const MARK: &str = "
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local last = tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '0')
    local mark = string.format('%.0f', math.max(now, last + 1))
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
    redis.call('ZADD', KEYS[1], mark, ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return mark";

/// The nodes that have not obeyed a mark (ARGV 1) yet, with the seconds since their last sign of
/// life. A node whose last sign of life is older than ARGV 2 is taken off the list.
const UNCONFIRMED: &str = "
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local nodes, unconfirmed = redis.call('HGETALL', KEYS[1]), {}
    for nth = 1, #nodes, 2 do
        local heard, seen = string.match(nodes[nth + 1], '^(%d+):(%d+)$')
        local silent = now - (tonumber(heard) or 0)
        if silent > tonumber(ARGV[2]) then
            redis.call('HDEL', KEYS[1], nodes[nth])
        elseif tonumber(seen) < tonumber(ARGV[1]) then
            unconfirmed[#unconfirmed + 1] = string.format('%s (silent for %d s)', nodes[nth], silent / 1000)
        end
    end
    return unconfirmed";

/// The rights that these scripts and the other commands need. The README shows them as an ACL.
pub(super) const RIGHTS: &str = "keys daypass*; commands ping, evalsha, script|load, role, get, set, psetex, pttl, \
    pexpire, del, unlink, scan, time, hset, hexists, hgetall, hdel, zadd, zscore, zrange, zrevrange, \
    zremrangebyscore; in a Redis Cluster also cluster|slots and cluster|myid";

/// All scripts. They are loaded together when a connection is made.
pub(super) const SCRIPTS: [&str; 10] =
    [GET, PUT_IF_ABSENT, OFFER, ACQUIRE_LEASE, PUT_AND_RELEASE, RENEW, RELEASE, HEARTBEAT, MARK, UNCONFIRMED];

/// All scripts, with their hashes.
pub(super) struct Scripts {
    pub get: Script,
    pub put_if_absent: Script,
    pub offer: Script,
    pub acquire_lease: Script,
    pub put_and_release: Script,
    pub renew: Script,
    pub release: Script,
    pub heartbeat: Script,
    pub mark: Script,
    pub unconfirmed: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            get: Script::new(GET),
            put_if_absent: Script::new(PUT_IF_ABSENT),
            offer: Script::new(OFFER),
            acquire_lease: Script::new(ACQUIRE_LEASE),
            put_and_release: Script::new(PUT_AND_RELEASE),
            renew: Script::new(RENEW),
            release: Script::new(RELEASE),
            heartbeat: Script::new(HEARTBEAT),
            mark: Script::new(MARK),
            unconfirmed: Script::new(UNCONFIRMED),
        }
    }
}

/// The Redis keys. In a cluster all have one hash tag, so that a script finds them in one slot
/// (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>).
pub(super) struct Names {
    prefix: &'static str,
    /// Of each node: its last sign of life, and the last mark that it has obeyed.
    pub nodes: String,
    /// The forgotten sets of credentials, by their marks.
    pub forgotten: String,
}

impl Names {
    pub(super) fn new(cluster: bool) -> Self {
        let prefix = if cluster { "daypass{shared}" } else { "daypass" };
        Self { prefix, nodes: format!("{prefix}-nodes"), forgotten: format!("{prefix}-forgotten") }
    }

    pub(super) fn value(&self, key: &StoreKey) -> String {
        format!("{}:{}:{}", self.prefix, key.fingerprint, hex::encode(key.digest))
    }

    /// The pattern of all values of these credentials.
    pub(super) fn values(&self, fingerprint: Fingerprint) -> String {
        format!("{}:{fingerprint}:*", self.prefix)
    }

    pub(super) fn lease(&self, key: &StoreKey) -> String {
        format!("{}-lease:{}", self.prefix, hex::encode(key.digest))
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A row of a reply: which key, the value, the milliseconds left.
pub(super) type Row = (i64, Vec<u8>, i64);

/// The value in a row. `None` where the row names no key, or where the value does not expire: this
/// service stores no such value.
pub(super) fn stored(keys: &[StoreKey], (nth, value, left): Row) -> Option<StoredValue> {
    let key = *keys.get(usize::try_from(nth).ok()?.checked_sub(1)?)?;
    let left = Duration::from_millis(u64::try_from(left).ok()?);
    Some(StoredValue { key, value, left })
}
