"""What Redis does in one step for the cache. Times are seconds since the epoch, by the caller's clock."""

from typing import Final

__all__ = ["DROP", "HIT", "PUT", "PUT_ABSENT"]

#: KEYS: the window. ARGV: now, length, limit, a name for this hit.
#: Gives: allowed, hits counted, time of the newest, time of the one that has to leave before one more fits.
#: Hits from the future are of a clock that was set back.
HIT: Final = """
local key, now, length, limit = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - length)
redis.call('ZREMRANGEBYSCORE', key, '(' .. string.format('%.17g', now + length), '+inf')
local hits, allowed = redis.call('ZCARD', key), 0
if hits < limit then
    redis.call('ZADD', key, ARGV[1], ARGV[4])
    redis.call('PEXPIRE', key, math.ceil(length * 1000))
    hits, allowed = hits + 1, 1
end
local newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2] or false
local blocking = newest
if limit > 0 and limit <= hits then
    blocking = redis.call('ZRANGE', key, hits - limit, hits - limit, 'WITHSCORES')[2]
end
return {allowed, hits, newest, blocking}
"""

_SWEEP = """
local some = redis.call('HRANDFIELD', key, 3, 'WITHVALUES')
for at = 1, #some, 2 do
    if tonumber(string.match(some[at + 1], '^[^|]*')) <= now then redis.call('HDEL', key, some[at]) end
end
"""

_EXPIRE = """
if redis.call('PTTL', key) < tonumber(ARGV[4]) then redis.call('PEXPIRE', key, ARGV[4]) end
"""

#: KEYS: the hash. ARGV: now, field, `until|value`, milliseconds. The hash lives as long as its longest field;
#: some fields are looked at each time, so that those that expired do not pile up in a hash that lives for
#: long.
PUT: Final = f"""
local key, now = KEYS[1], tonumber(ARGV[1])
if redis.call('HLEN', key) > 8 then {_SWEEP} end
redis.call('HSET', key, ARGV[2], ARGV[3])
{_EXPIRE}
"""

#: The same, unless the field is there and live.
PUT_ABSENT: Final = f"""
local key, now = KEYS[1], tonumber(ARGV[1])
local there = redis.call('HGET', key, ARGV[2])
if there and tonumber(string.match(there, '^[^|]*')) > now then return end
redis.call('HSET', key, ARGV[2], ARGV[3])
{_EXPIRE}
"""

#: KEYS: the hash. ARGV: field. Gives what was removed.
DROP: Final = """
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value then redis.call('HDEL', KEYS[1], ARGV[1]) end
return value
"""
