import { GUARD_GRACE, HOLD_GRACE, ID_LENGTH, LEASE } from './store.ts'

/**
 * What the store executes atomically, by the name of the operation. `test/sharing/store-rules.ts` specifies it. KEYS of
 * each are grant, lease, hold and guard. Managed services restrict scripts: every key is literally `KEYS[n]`, nothing is
 * published, no global is set.
 */
export const SCRIPTS = {
  /** ARGV seen lease operation knownRefusals forced. */
  claim: `
local record = redis.call('GET', KEYS[1])
if (record and string.sub(record, 1, ${ID_LENGTH}) or '') ~= ARGV[1] then
  return {'grant', record or '', redis.call('PTTL', KEYS[1])}
end
local lease = redis.call('GET', KEYS[2])
if lease and string.sub(lease, 1, 16) ~= string.sub(ARGV[2], 1, 16) then return {'busy'} end
local hold = redis.call('GET', KEYS[3])
local held = hold and redis.call('PTTL', KEYS[3]) - ${HOLD_GRACE} or 0
local refusals = math.max(tonumber(redis.call('GET', KEYS[4]) or '0') or 0, tonumber(ARGV[4]))
local guarded = ARGV[3] == 'login' and redis.call('PTTL', KEYS[4]) - ${GUARD_GRACE} or 0
if ARGV[5] ~= 'true' then
  if held > 0 then return {'held', held, hold} end
  if guarded > 0 then return {'guarded', guarded, refusals} end
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ${LEASE})
return {'mine', hold or '', refusals}`,

  /** ARGV lease. */
  extend: `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('PEXPIRE', KEYS[2], ${LEASE}) end`,

  /** ARGV seen lease record ms. A paused process cannot overwrite a newer token. */
  granted: `
local record = redis.call('GET', KEYS[1])
local lease = redis.call('GET', KEYS[2])
if lease ~= ARGV[2] and (lease or (record and string.sub(record, 1, ${ID_LENGTH}) or '') ~= ARGV[1]) then
  return {'grant', record or '', redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('DEL', KEYS[2])
redis.call('DEL', KEYS[3])
redis.call('DEL', KEYS[4])
return {'kept'}`,

  /** ARGV lease, then kind and what it needs: hold text ms, or refused known pause1 pause2 and so on. */
  failed: `
local mine = redis.call('GET', KEYS[2]) == ARGV[1]
if ARGV[2] == 'refused' then
  local refusals = math.max(tonumber(redis.call('GET', KEYS[4]) or '0') or 0, tonumber(ARGV[3])) + 1
  local pause = tonumber(ARGV[3 + math.min(refusals, #ARGV - 3)])
  redis.call('SET', KEYS[4], refusals, 'PX', pause + ${GUARD_GRACE})
elseif ARGV[2] == 'hold' and mine then
  redis.call('SET', KEYS[3], ARGV[3], 'PX', tonumber(ARGV[4]) + ${HOLD_GRACE})
end
if mine then redis.call('DEL', KEYS[2]) end`,

  /** ARGV text ms. A pause is never shortened. */
  'hold-off': `
if redis.call('PTTL', KEYS[3]) - ${HOLD_GRACE} < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[3], ARGV[1], 'PX', tonumber(ARGV[2]) + ${HOLD_GRACE})
end`,

  read: `
return {'grant', redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[1])}`,
} as const
