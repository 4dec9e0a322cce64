-- wrk's script: one request over and over, and the figures as one line of JSON.
-- Arguments: path, length of the request's body.
function init(args)
  local head = '{"subCCNo":1,"vdnId":1,"callData":"'
  wrk.method = "POST"
  wrk.path = args[1]
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = head .. string.rep("x", tonumber(args[2]) - #head - 2) .. '"}'
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"bytes":%d,"us":%d,"wrong":%d}\n',
    summary.requests, summary.bytes, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
