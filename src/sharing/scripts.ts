import { BOOK_GRACE, ID_LENGTH, LEASE, MAX_COUNT, PAUSE, PAUSE_GRACE, PROOF } from './store.ts'

/** What somebody else wrote into the key counts as nothing. */
const BOOK = `
local function book()
  local attempts, refusals =
    string.match(redis.call('GET', KEYS[3]) or '', '^(%d%d?%d?%d?) (%d%d?%d?%d?)$')
  local left = attempts and redis.call('PTTL', KEYS[3]) or 0
  attempts, refusals = tonumber(attempts) or 0, tonumber(refusals) or 0
  return attempts, refusals, math.max(attempts > 0 and left - ${BOOK_GRACE} or left, 0)
end
local function write(attempts, refusals, ms)
  local text = math.min(attempts, ${MAX_COUNT}) .. ' ' .. math.min(refusals, ${MAX_COUNT})
  redis.call('SET', KEYS[3], text, 'PX', attempts > 0 and ms + ${BOOK_GRACE} or ms)
end`

/** The lease of a process has no space in it, and a pause has one. What lasts longer than a lease, or for ever, is none. */
const HOLDER = `
local lease = redis.call('GET', KEYS[2]) or ''
local pause = string.find(lease, ' ', 1, true) and lease or ''
local lasts = redis.call('PTTL', KEYS[2])
if pause == '' and (lasts < 0 or lasts > ${LEASE}) then lease = '' end`

/**
 * What the store executes atomically, by the name of the operation. `test/sharing/store-rules.ts` specifies it. KEYS of
 * each are grant, lease and book. Managed services restrict scripts: every key is literally `KEYS[n]`, nothing is
 * published, no global is set.
 */
export const SCRIPTS = {
  /** ARGV seen lease operation forced attempts refusals ms begun1 begun2 and so on. */
  claim: `${BOOK}${HOLDER}
local record = redis.call('GET', KEYS[1]) or ''
if string.sub(record, 1, ${ID_LENGTH}) ~= ARGV[1] then
  return {'grant', record, redis.call('PTTL', KEYS[1])}
end
if pause == '' and lease ~= '' and string.sub(lease, 1, 16) ~= string.sub(ARGV[2], 1, 16) then
  return {'busy'}
end
local isFree = ARGV[4] == 'true'
local held = pause ~= '' and lasts - ${PAUSE_GRACE} or 0
if held > 0 and not isFree then return {'held', held} end
local attempts, refusals, left = book()
if tonumber(ARGV[5]) > 0 then
  left = math.max(attempts > 0 and left or 0, tonumber(ARGV[7]))
  attempts = math.max(attempts, tonumber(ARGV[5]))
  refusals = math.max(refusals, tonumber(ARGV[6]))
end
if ARGV[3] == 'login' then
  if attempts > 0 and left > 0 and not isFree then return {'guarded', attempts, refusals, left} end
  write(attempts + 1, refusals, tonumber(ARGV[7 + math.min(attempts + 1, #ARGV - 7)]))
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ${LEASE})
return {'mine', attempts, refusals, left}`,

  /** ARGV lease. */
  extend: `
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('PEXPIRE', KEYS[2], ${LEASE}) end`,

  /** ARGV seen lease record ms operation. A paused process cannot overwrite a newer token. */
  granted: `${BOOK}${HOLDER}
local record = redis.call('GET', KEYS[1]) or ''
local isTaken = lease ~= '' and pause == ''
if lease ~= ARGV[2] and (isTaken or string.sub(record, 1, ${ID_LENGTH}) ~= ARGV[1]) then
  return {'grant', record, redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
if ARGV[5] ~= 'offer' then
  redis.call('DEL', KEYS[2])
  local attempts, _, left = book()
  if ARGV[5] == 'login' or (attempts == 0 and left > 0) then write(0, 0, ${PROOF}) end
end
return {'kept'}`,

  /** ARGV lease pause, then attempts refusals ms of the book. A late process lowers no count: iSales counted it, too. */
  failed: `${BOOK}
local isMine = redis.call('GET', KEYS[2]) == ARGV[1]
if #ARGV > 2 then
  local attempts, refusals, ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local a, r, left = book()
  if not isMine and a > 0 then
    ms = math.max(attempts > 0 and ms or 0, left)
    attempts, refusals = math.max(attempts, a), math.max(refusals, r)
  end
  if attempts > 0 or ms > 0 then write(attempts, refusals, ms) else redis.call('DEL', KEYS[3]) end
end
if not isMine then return end
if ARGV[2] == '0' then redis.call('DEL', KEYS[2])
else redis.call('SET', KEYS[2], '${PAUSE}', 'PX', ARGV[2] + ${PAUSE_GRACE}) end`,

  read: `
return {'grant', redis.call('GET', KEYS[1]) or '', redis.call('PTTL', KEYS[1])}`,
} as const
