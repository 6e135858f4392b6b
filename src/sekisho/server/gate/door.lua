-- Stands behind jwt_authn: says whether the cookie is good here, and takes off what no app may see.
-- Only what is said here to be good goes past ext_authz unasked; an error in here asks (see shapes).
-- What a verified cookie says comes in headers of our prefix (any others were taken off before), and
-- leaves again unless the cookie is good here.
local PREFIX = "x-sekisho-"
local USER, EMAIL, SESSION = PREFIX .. "user", PREFIX .. "email", PREFIX .. "session"
local DEVICE, AUDIENCE, SERIAL = PREFIX .. "device", PREFIX .. "audience", PREFIX .. "certificate"
local OWN, SPACE, TAB = "__Host-sekisho", 32, 9
local find, sub, byte, lower = string.find, string.sub, string.byte, string.lower
-- A request leaves kilobytes of garbage beside a small state; by itself Lua would go through all of
-- that state every dozen requests, for a sixth of the gate's work.
collectgarbage("setpause", 400)

local function host_of(authority)
  if authority == nil then return "" end
  if sub(authority, 1, 1) == "[" then
    return lower(string.match(authority, "^%[[^%]]*%]") or "")
  end
  local colon = find(authority, ":", 1, true)
  return lower(colon and sub(authority, 1, colon - 1) or authority)
end

-- The value of a pair of this name within line[first..last], or nil.
local function value_of(line, first, last, name)
  local equals = first + #name
  if sub(line, first, equals) == name .. "=" then return sub(line, equals + 1, last) end
end

-- Takes all cookies of ours off, whatever follows the beginning of their names.
-- By searches for single characters: patterns over a token take longer than all the rest.
local function strip_cookies(headers)
  local size = headers:getNumValues("cookie")
  if size == 0 then return end
  local kept, own, state
  for place = 0, size - 1 do
    local line, at = headers:getAtIndex("cookie", place), 1
    while at <= #line do
      local stop = find(line, ";", at, true) or #line + 1
      local first, last = find(line, "[^%s;]", at), stop - 1
      if first ~= nil and first < stop then
        while byte(line, last) == SPACE or byte(line, last) == TAB do last = last - 1 end
        if sub(line, first, first + #OWN - 1) == OWN then
          own = value_of(line, first, last, COOKIE) or own
          state = value_of(line, first, last, "__Host-sekisho-state") or state
        else
          local pair = sub(line, first, last)
          kept = kept and kept .. "; " .. pair or pair
        end
      end
      at = stop + 1
    end
  end
  headers:remove("cookie")
  if kept ~= nil then headers:add("cookie", kept) end
  return own, state
end

-- Returns the session of a cookie that is good on this route over this connection, or nil.
local function good_session(headers, stream, route, resource)
  if headers:get(AUDIENCE) ~= resource .. "@" .. DOOR then return end
  local session = headers:get(SESSION)
  if session == nil or session == "" or route:get(session) ~= nil then return end
  if DOOR == "browser" then return session end
  local tls, device = stream:downstreamSslConnection(), headers:get(DEVICE)
  if tls == nil or device == nil or not tls:peerCertificateValidated() then return end
  if tls:uriSanPeerCertificate()[1] ~= "sekisho:device:" .. device then return end
  local serial = string.match(tls:serialNumberPeerCertificate(), "^0*(.*)$")
  if serial == headers:get(SERIAL) then return session end
end

local function forget_claims(headers)
  for _, name in ipairs({USER, EMAIL, SESSION, DEVICE, AUDIENCE, SERIAL}) do headers:remove(name) end
end

-- HTTP/2 has no key for a WebSocket (RFC 8441 section 5); an app that speaks HTTP/1.1 wants one.
local function add_key(handle, headers, stream)
  if stream:protocol() ~= "HTTP/2" or headers:get("sec-websocket-key") ~= nil then return end
  if lower(headers:get("upgrade")) ~= "websocket" then return end
  local key = {}
  for place = 1, 16 do key[place] = string.char(math.random(0, 255)) end
  headers:add("sec-websocket-key", handle:base64Escape(table.concat(key)))
end

-- Leaves for the decision process what only this script has seen.
local function tell(told, own, state)
  told:set("sekisho", "door", DOOR)
  if state ~= nil and state ~= "" then told:set("sekisho", "state", state) end
  if own ~= nil and own ~= "" then told:set("sekisho", "cookie", own) end
end

function envoy_on_request(handle)
  local headers, stream = handle:headers(), handle:streamInfo()
  local own, state = strip_cookies(headers)
  if headers:get(":method") == "CONNECT" then
    forget_claims(headers)
    return tell(stream:dynamicMetadata(), nil, state)
  end
  local server = stream:requestedServerName()
  if server ~= "" and lower(server) ~= host_of(headers:get(":authority")) then
    handle:respond({[":status"] = "421", ["content-type"] = "text/plain"}, "421 Misdirected Request\n")
    return
  end
  local route = handle:metadata()
  local resource = route:get("resource")
  local session = resource ~= nil and good_session(headers, stream, route, resource)
  local told = stream:dynamicMetadata()
  if resource ~= nil and headers:get("upgrade") ~= nil then
    local desktop = route:get("desktop")
    if desktop ~= nil then told:set("sekisho", "ends", desktop) end
    add_key(handle, headers, stream)
  end
  if session then
    told:set("sekisho", "session", session) -- this is what ext_authz finds good
  else
    forget_claims(headers)
    tell(told, own, state)
  end
end
