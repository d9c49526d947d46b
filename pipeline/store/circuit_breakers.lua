-- A circuit breaker per key: reported failures open it, one probe at a time may close it. By the server's clock.
--
-- KEYS  hashes: `good`, `bad` (counts, halved every FADE), `at` (the time of the counts), `row` (consecutive
--       failures), `open` (when its pause ends;
--       none: it is closed), `opened` (how often it opened in succession), `probe` (when the probe's time ends),
--       `ticket` (1: the caller with the probe has chosen the carrier but not called `ask` yet).
-- ARGV  1: 'report', then good and bad for each key; 'look' and 'watch': nothing more; 'ask': milliseconds for the
--       probe.
--
-- Returns two integers per key: its state, and the milliseconds until it changes.
--   0 closed    1 open: send nothing    2 open, and the caller sends the probe (watch: a probe is in progress)

local FADE, FEWEST, FIRST, LONGEST, TICKET, KEPT = 10000, 10, 2000, 60000, 5000, 600000
-- the set of open breakers, and of those whose keys expired while open
local OPEN = 'postroad:health-open'

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}

local function numbers(key)
    local found = redis.call('HMGET', key, 'good', 'bad', 'at', 'open', 'opened', 'probe')
    for place = 1, 6 do
        found[place] = tonumber(found[place] or 0) or 0
    end
    return found[1], found[2], found[3], found[4], found[5], found[6]
end

local function write(key, ...)
    redis.call('HSET', key, ...)
    redis.call('PEXPIRE', key, KEPT)
end

local function shut(key, opened)
    redis.call('SADD', OPEN, key)
    local pause = math.min(FIRST * 2 ^ math.min(opened, 10), LONGEST)
    write(key, 'good', 0, 'bad', 0, 'at', now, 'open', string.format('%.0f', now + pause), 'opened', opened + 1, 'probe', 0,
        'ticket', 0, 'row', 0)
    return 1, pause
end

local function report(key, more_good, more_bad)
    local good, bad, at, open, opened, probe = numbers(key)
    if open > 0 then
        if more_bad > 0 and (probe > 0 or now >= open) then
            return shut(key, opened)
        elseif more_good > 0 and probe > 0 then
            redis.call('DEL', key)
            redis.call('SREM', OPEN, key)
            return 0, 0
        end
        return 1, math.max(open - now, 0)
    end
    local faded = 0.5 ^ ((now - at) / FADE)
    good, bad = good * faded + more_good, bad * faded + more_bad
    local row = more_good == 0 and (tonumber(redis.call('HGET', key, 'row') or 0) or 0) + more_bad or 0
    if row >= FEWEST or (bad >= FEWEST and bad >= good) then
        return shut(key, opened)
    end
    if more_bad > 0 or bad > 0.01 then
        write(key, 'good', tostring(good), 'bad', tostring(bad), 'at', now, 'row', row)
    end
    return 0, 0
end

-- The first caller after the pause may choose the carrier for a probe: for others it stays open until the outcome.
local function look(key)
    local _, _, _, open, _, probe = numbers(key)
    if open == 0 then
        redis.call('SREM', OPEN, key)
        return 0, 0
    elseif now < open or now < probe then
        return 1, math.max(open, probe) - now
    end
    write(key, 'probe', string.format('%.0f', now + TICKET), 'ticket', 1)
    return 0, 0
end

-- Reads the state and changes nothing. The time is negative where a probe has been due for so long.
local function watch(key)
    local _, _, _, open, _, probe = numbers(key)
    if open == 0 then
        return 0, 0
    elseif now < probe then
        return 2, probe - now
    end
    return 1, math.max(open, probe) - now
end

local function ask(key, timeout)
    local _, _, _, open, _, probe = numbers(key)
    if open == 0 then
        return 0, 0
    elseif now < open or (now < probe and redis.call('HGET', key, 'ticket') ~= '1') then
        return 1, math.max(open, probe) - now
    end
    write(key, 'probe', string.format('%.0f', now + timeout), 'ticket', 0)
    return 2, timeout
end

for place, key in ipairs(KEYS) do
    local state, wait
    if ARGV[1] == 'report' then
        state, wait = report(key, tonumber(ARGV[2 * place]), tonumber(ARGV[2 * place + 1]))
    elseif ARGV[1] == 'ask' then
        state, wait = ask(key, tonumber(ARGV[2]))
    elseif ARGV[1] == 'watch' then
        state, wait = watch(key)
    else
        state, wait = look(key)
    end
    answers[2 * place - 1] = state
    answers[2 * place] = math.ceil(wait)
end

return answers
