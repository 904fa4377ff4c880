//! The scripts that run inside Redis, each in one step, and the keys that they use.
//!
//! Each may be repeated where its answer was lost: the second run changes nothing and answers as
//! the first did.

use std::time::Duration;

use redis::Script;

use crate::store::{Found, Place};

/// Those of KEYS that have a value: `{{nth, value, milliseconds left}, …}`.
const GET: &str = "
    local found = {}
    for nth, key in ipairs(KEYS) do
        local value = redis.call('GET', key)
        if value then found[#found + 1] = {nth, value, redis.call('PTTL', key)} end
    end
    return found";

/// Puts a value at the last of KEYS, unless one of the others has one: `{{nth, value, milliseconds
/// left}}`.
const PUT_NEW: &str = "
    for nth = 1, #KEYS - 1 do
        local value = redis.call('GET', KEYS[nth])
        if value == ARGV[1] then return {} end
        if value then return {{nth, value, redis.call('PTTL', KEYS[nth])}} end
    end
    redis.call('SET', KEYS[#KEYS], ARGV[1], 'PX', ARGV[2])
    return {}";

/// Puts a value that a node remembered, unless another is there (`{1, value, milliseconds left}`)
/// or its credentials (ARGV 3) were forgotten under another mark than the node knows (ARGV 4):
/// `{-1, '', 0}`. Put: `{0, '', 0}`.
const OFFER: &str = "
    local value = redis.call('GET', KEYS[1])
    if value then return {1, value, redis.call('PTTL', KEYS[1])} end
    local mark = redis.call('ZSCORE', KEYS[2], ARGV[3])
    if mark and mark ~= ARGV[4] then return {-1, '', 0} end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return {0, '', 0}";

/// The first value at all but the last of KEYS, which is the lease; without a value the lease is
/// taken: `{-1, '', 0}` ours, `{-2, '', milliseconds}` somebody else's.
const CLAIM: &str = "
    for nth = 1, #KEYS - 1 do
        local value = redis.call('GET', KEYS[nth])
        if value then return {nth, value, redis.call('PTTL', KEYS[nth])} end
    end
    local lease = KEYS[#KEYS]
    local holder = redis.call('GET', lease)
    if holder and holder ~= ARGV[1] then return {-2, '', redis.call('PTTL', lease)} end
    redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])
    return {-1, '', 0}";

/// Puts the value if the lease is still the owner's, or if it is gone (evicted, or run out) and
/// nobody has put another.
const SETTLE: &str = "
    local holder, value = redis.call('GET', KEYS[2]), redis.call('GET', KEYS[1])
    if value == ARGV[2] then return 1 end
    if holder == ARGV[1] or (not holder and not value) then
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
        redis.call('DEL', KEYS[2])
        return 1
    end
    return 0";

const RENEW: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 0";

const GIVE_UP: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 1";

/// A node's sign of life. KEYS: the nodes, the marks. ARGV: the node's name, the last mark that it
/// has obeyed, and for how long both are kept. Where that is the last mark of all, the node is
/// noted as having obeyed it. Answers `{last mark, whether the node was known, why it could not be
/// noted, {credentials, mark, …} where the node has not got them}`.
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

/// Marks credentials (ARGV 1) as forgotten, above all earlier marks. Marks that are as old as ARGV
/// 2 go.
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
/// life. Those that have not been heard of for as long as ARGV 2 are taken off the list.
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

/// What these scripts and the commands beside them need. The README shows it as an ACL.
pub(super) const RIGHTS: &str = "keys daypass*; commands ping, evalsha, script|load, get, set, psetex, pttl, pexpire, \
    del, unlink, scan, time, hset, hexists, hgetall, hdel, zadd, zscore, zrange, zrevrange, zremrangebyscore";

/// Of each node: when it was last heard of, and the last mark that it has obeyed.
pub(super) const NODES: &str = "daypass-nodes";
/// The forgotten sets of credentials, by their marks.
pub(super) const FORGOTTEN: &str = "daypass-forgotten";

pub(super) struct Scripts {
    pub get: Script,
    pub put_new: Script,
    pub offer: Script,
    pub claim: Script,
    pub settle: Script,
    pub renew: Script,
    pub give_up: Script,
    pub heartbeat: Script,
    pub mark: Script,
    pub unconfirmed: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            get: Script::new(GET),
            put_new: Script::new(PUT_NEW),
            offer: Script::new(OFFER),
            claim: Script::new(CLAIM),
            settle: Script::new(SETTLE),
            renew: Script::new(RENEW),
            give_up: Script::new(GIVE_UP),
            heartbeat: Script::new(HEARTBEAT),
            mark: Script::new(MARK),
            unconfirmed: Script::new(UNCONFIRMED),
        }
    }
}

pub(super) fn value_key(place: &Place) -> String {
    format!("daypass:{}:{}", place.fingerprint, hex(&place.slot))
}

pub(super) fn lease_key(place: &Place) -> String {
    format!("daypass-lease:{}", hex(&place.slot))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

pub(super) type Row = (i64, Vec<u8>, i64);

pub(super) fn found(places: &[Place], (nth, value, left): Row) -> Option<Found> {
    let place = *places.get(usize::try_from(nth).ok()?.checked_sub(1)?)?;
    // A value without an end cannot be ours.
    let left = Duration::from_millis(u64::try_from(left).ok()?);
    Some(Found { place, value, left })
}
