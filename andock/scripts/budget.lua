-- A token bucket shared by all couriers.
-- KEYS: bucket   ARGV: tokens per minute, burst, how many to leave for others
-- Returns 0 when a token was taken, else the milliseconds until there is one.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rate, burst = tonumber(ARGV[1]) / 60000, tonumber(ARGV[2])
local tokens, at = unpack(redis.call('HMGET', KEYS[1], 'tokens', 'at'))
tokens = math.min(burst, (tonumber(tokens) or burst) + (now - (tonumber(at) or now)) * rate)
local wait = 0
local needed = 1 + tonumber(ARGV[3])
if tokens >= needed then tokens = tokens - 1 else wait = math.ceil((needed - tokens) / rate) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], 120000)
return wait
