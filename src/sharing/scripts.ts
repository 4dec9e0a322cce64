/**
 * What the store executes atomically. `test/sharing/store-rules.ts` specifies it. Managed services restrict scripts:
 * every key is literally `KEYS[n]`, nothing is published, no global is set.
 */

/** KEYS grant lease hold guard; ARGV seen lease leaseMs operation holdGrace guardGrace knownRefusals. */
const CLAIM = `
local record = redis.call('GET', KEYS[1])
if (record and string.sub(record, 1, 22) or '') ~= ARGV[1] then
  return {'grant', record or '', redis.call('PTTL', KEYS[1])}
end
local lease = redis.call('GET', KEYS[2])
if lease and string.sub(lease, 1, 16) ~= string.sub(ARGV[2], 1, 16) then
  return {'busy', redis.call('PTTL', KEYS[2])}
end
local hold = redis.call('GET', KEYS[3])
local held = hold and redis.call('PTTL', KEYS[3]) - tonumber(ARGV[5]) or 0
if held > 0 then return {'held', held, hold} end
local refusals = math.max(tonumber(redis.call('GET', KEYS[4]) or '0') or 0, tonumber(ARGV[7]))
if ARGV[4] == 'login' then
  local guarded = redis.call('PTTL', KEYS[4]) - tonumber(ARGV[6])
  if guarded > 0 then return {'guarded', guarded, refusals} end
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return {'mine', hold or '', refusals}
`

/** KEYS lease; ARGV lease leaseMs. */
const EXTEND = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`

/** KEYS grant lease hold guard; ARGV seen lease record ms. A paused process cannot overwrite a newer token. */
const GRANTED = `
local record = redis.call('GET', KEYS[1])
local lease = redis.call('GET', KEYS[2])
if lease ~= ARGV[2] and (lease or (record and string.sub(record, 1, 22) or '') ~= ARGV[1]) then
  return {'late', record or '', redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('DEL', KEYS[2])
redis.call('DEL', KEYS[3])
redis.call('DEL', KEYS[4])
return {'kept'}
`

/** KEYS lease hold guard; ARGV lease kind textOrKnown ms grace pause1 pause2 and so on. */
const FAILED = `
local mine = redis.call('GET', KEYS[1]) == ARGV[1]
local refusals = 0
if ARGV[2] == 'refused' then
  refusals = math.max(tonumber(redis.call('GET', KEYS[3]) or '0') or 0, tonumber(ARGV[3])) + 1
  local pause = tonumber(ARGV[5 + math.min(refusals, #ARGV - 5)])
  redis.call('SET', KEYS[3], refusals, 'PX', pause + tonumber(ARGV[5]))
elseif ARGV[2] == 'hold' and mine then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', tonumber(ARGV[4]) + tonumber(ARGV[5]))
end
if mine then redis.call('DEL', KEYS[1]) end
return {mine and 1 or 0, refusals}
`

/** KEYS hold; ARGV text ms grace. A pause is never shortened. */
const HOLD_OFF = `
if redis.call('PTTL', KEYS[1]) - tonumber(ARGV[3]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', tonumber(ARGV[2]) + tonumber(ARGV[3]))
return 1
`

/** KEYS grant. */
const READ = `
return {redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[1])}
`

/** By the name of their command, as ioredis defines it. */
export const SCRIPTS = {
  shareClaim: { lua: CLAIM, numberOfKeys: 4 },
  shareExtend: { lua: EXTEND, numberOfKeys: 1 },
  shareGranted: { lua: GRANTED, numberOfKeys: 4 },
  shareFailed: { lua: FAILED, numberOfKeys: 3 },
  shareHoldOff: { lua: HOLD_OFF, numberOfKeys: 1 },
  shareRead: { lua: READ, numberOfKeys: 1 },
} as const
