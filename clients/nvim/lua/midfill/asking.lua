--- The request for suggestions, one at a time: what is asked, what has come of it, and its end.

local candidates = require('midfill.candidates')
local suggestion = require('midfill.suggestion')
local wire = require('midfill.wire')

local M = {}

local api = vim.api
local INVOKED, AUTOMATIC = 1, 2

---@class midfill.Request
---@field token string
---@field anchor midfill.Anchor
---@field explicit boolean
---@field step integer by how many candidates to move on from the one that is shown
---@field selected? midfill.Selected the menu's item to go on from
---@field cancel fun()

---@class midfill.Asker
---@field on_growth fun(request: midfill.Request, candidate: midfill.Candidate)
---@field on_reply fun(request: midfill.Request, read: midfill.Candidate[]) none where it failed

local running ---@type midfill.Request?
local num_asked = 0

---@param request midfill.Request
local function forget(request)
  running = nil
  wire.growing[request.token] = nil
  suggestion.release(request.anchor)
end

--- Whether a request is on its way.
---@return boolean
function M.is_running()
  return running ~= nil
end

--- Take the request back.
function M.cancel()
  local request = running
  if request then
    request.cancel()
    forget(request)
  end
end

---@param selected? midfill.Selected
---@param row integer
---@param col integer
---@return table?
local function selected_info(selected, row, col)
  return selected
    and {
      text = selected.text,
      range = { start = wire.position(row, selected.col), ['end'] = wire.position(row, col) },
    }
end

---@param request midfill.Request
---@return table
local function params_of(request)
  local anchor = request.anchor
  return {
    textDocument = { uri = vim.uri_from_bufnr(anchor.buf) },
    position = wire.position(anchor.row, anchor.col),
    context = {
      triggerKind = request.explicit and INVOKED or AUTOMATIC,
      selectedCompletionInfo = selected_info(request.selected, anchor.row, anchor.col),
    },
    partialResultToken = request.token,
  }
end

--- Ask for suggestions at the cursor, instead of what was asked before.
---@param explicit boolean
---@param step integer
---@param selected? midfill.Selected
---@param asker midfill.Asker
function M.ask(explicit, step, selected, asker)
  M.cancel()
  num_asked = num_asked + 1
  local request = {
    token = 'midfill-' .. num_asked,
    anchor = suggestion.anchor(),
    explicit = explicit,
    step = step,
    selected = selected,
  }
  local cancel = wire.request('midfill/completion', params_of(request), function(err, result)
    if running == request then
      local items = type(result) == 'table' and (result.items or result) or {}
      local read = err and {} or candidates.read(request.anchor, items, wire.encoding())
      suggestion.hold(request.anchor)
      forget(request) -- before anybody asks anew
      asker.on_reply(request, read)
      suggestion.release(request.anchor)
    end
  end, api.nvim_get_current_buf())
  if not cancel then
    suggestion.release(request.anchor)
    return
  end
  request.cancel, running = cancel, request
  wire.growing[request.token] = function(value)
    local grown = running == request and candidates.read(request.anchor, { value }, wire.encoding())[1]
    if grown then
      asker.on_growth(request, grown)
    end
  end
end

return M
