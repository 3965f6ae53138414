--- What is suggested at the cursor: asks for it, lets it grow, keeps it while it is typed through.
--- There is one cursor, so one suggestion and one request at a time.

local candidates = require('midfill.candidates')
local ghost = require('midfill.ghost')
local menu = require('midfill.menu')
local server = require('midfill.server')
local suggestion = require('midfill.suggestion')

local M = {}

local api = vim.api
local INVOKED, AUTOMATIC = 1, 2

---@class midfill.Request
---@field token string
---@field anchor midfill.Anchor
---@field explicit boolean
---@field step integer by how many candidates to move on from the one that is shown
---@field cancel fun()

local options ---@type midfill.Options
local current ---@type midfill.Suggestion?
local asked ---@type midfill.Request?
local place ---@type string? where the last look was; two events come for one key
local num_asked = 0

---@param chosen midfill.Options
function M.configure(chosen)
  options = chosen
end

--- Whether suggestions are wanted in a buffer.
---@param buf integer
---@return boolean
function M.is_enabled(buf)
  local of_buffer = vim.b[buf].midfill_enabled
  if of_buffer ~= nil then
    return of_buffer == true or of_buffer == 1
  end
  return options.enabled
end

---@return string
local function here()
  local buf = api.nvim_get_current_buf()
  local row, col = suggestion.cursor()
  return ('%d %d %d %d'):format(buf, api.nvim_buf_get_changedtick(buf), row, col)
end

---@return boolean
local function is_inserting()
  return vim.startswith(api.nvim_get_mode().mode, 'i')
end

---@return boolean
local function is_hidden()
  return not options.show_with_menu and menu.is_open()
end

local function forget_request()
  if asked then
    server.growing[asked.token] = nil
    if not current or current.anchor ~= asked.anchor then
      suggestion.release(asked.anchor)
    end
    asked = nil
  end
end

local function cancel()
  if asked then
    asked.cancel()
    forget_request()
  end
end

---@param new? midfill.Suggestion
local function replace_current(new)
  local old = current
  current = new
  if old and not (new and new.anchor == old.anchor) and not (asked and asked.anchor == old.anchor) then
    suggestion.release(old.anchor)
  end
end

--- Forget the suggestion and the request.
function M.clear()
  cancel()
  replace_current(nil)
  ghost.clear()
  place = nil
end

--- Take the suggestion away; the next key asks for another.
function M.dismiss()
  M.clear()
  place = here()
end

--- Return the candidate that is chosen, what of it is still to come, and what that replaces.
---@return midfill.Candidate?, string, string
local function chosen()
  if current then
    local candidate = current.candidates[current.idx]
    local text, over = suggestion.remaining(current.anchor, candidate)
    if text and text ~= '' then
      return candidate, text, over
    end
  end
  return nil, '', ''
end

--- The same, where it is shown and so may be accepted.
---@return midfill.Candidate?, string, string
function M.shown()
  if options and is_inserting() and not is_hidden() then
    return chosen()
  end
  return nil, '', ''
end

--- Whether the suggestion is whole; else it may still grow.
---@return boolean
function M.is_complete()
  return current ~= nil and current.complete
end

local function draw()
  local candidate, text, over = M.shown()
  if not candidate or not current then
    ghost.clear()
    return
  end
  local row, col = suggestion.cursor()
  local num = #current.candidates
  local label = num > 1 and (' (%d/%d)'):format(current.idx, num) or nil
  ghost.draw(api.nvim_get_current_buf(), row, col, text, over, label)
  if candidate.item and not candidate.is_told then
    candidate.is_told = true
    server.notify('textDocument/didShowCompletion', { item = candidate.item })
  end
  api.nvim_exec_autocmds('User', { pattern = 'MidfillShown', modeline = false })
end

--- Let the text that has come so far be shown, unless as much of it is shown already. With text
--- behind the cursor it is shown when it is whole: only the reply tells what of that it replaces.
---@param request midfill.Request
---@param text string
local function grow(request, text)
  if request.anchor.tail:find('%S') then
    return
  end
  local candidate = suggestion.candidate(request.anchor, text, nil, server.encoding())
  local left = candidate and suggestion.remaining(request.anchor, candidate)
  local _, shown = chosen()
  if not candidate or not left or left == '' or vim.startswith(shown, left) then
    return
  end
  replace_current({
    anchor = request.anchor,
    candidates = { candidate },
    idx = 1,
    complete = false,
    explicit = request.explicit,
  })
  draw()
end

---@param request midfill.Request
---@param err? table
---@param result any
local function take(request, err, result)
  if asked ~= request then
    return
  end
  local _, text = chosen()
  local items = type(result) == 'table' and (result.items or result) or {}
  local read = err and {} or candidates.read(request.anchor, items, server.encoding())
  if #read == 0 then
    forget_request()
    replace_current(nil)
    ghost.clear()
    return
  end
  local is_same = suggestion.remaining(request.anchor, read[1]) == text
  if is_same and current and current.complete then
    read[1].is_told = current.candidates[current.idx].is_told
  end
  replace_current({
    anchor = request.anchor,
    candidates = read,
    idx = candidates.index_after(request.anchor, read, text, request.step),
    complete = true,
    explicit = request.explicit,
  })
  forget_request()
  draw()
end

---@param explicit boolean
---@param step integer
local function ask(explicit, step)
  cancel()
  num_asked = num_asked + 1
  local buf = api.nvim_get_current_buf()
  local anchor = suggestion.anchor()
  local request = { token = 'midfill-' .. num_asked, anchor = anchor, explicit = explicit, step = step }
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = server.position(anchor.row, anchor.col),
    context = { triggerKind = explicit and INVOKED or AUTOMATIC },
    partialResultToken = request.token,
  }
  request.cancel = server.request('midfill/completion', params, function(err, result)
    take(request, err, result)
  end, buf)
  if not request.cancel then
    suggestion.release(anchor)
    return
  end
  asked = request
  server.growing[request.token] = function(value)
    if asked == request and type(value.insertText) == 'string' then
      grow(request, value.insertText)
    end
  end
end

--- Look at the cursor: go on with the suggestion, or ask for another.
---@param explicit? boolean the user asks
function M.update(explicit)
  local buf = api.nvim_get_current_buf()
  if not is_inserting() or not M.is_enabled(buf) or not server.is_attached(buf) then
    M.clear()
    return
  end
  if is_hidden() then
    cancel()
    ghost.clear()
    place = nil
    return
  end
  if not explicit and place == here() then
    return
  end
  place = here()
  if chosen() then
    draw()
    if current and current.complete and not explicit then
      cancel()
      return
    end
  else
    replace_current(nil)
    ghost.clear()
  end
  if explicit or (options.auto and vim.fn.reg_executing() == '') then
    ask(explicit == true, 0)
  else
    cancel()
  end
end

--- Draw anew, or ask, after a menu has opened or closed.
function M.redraw()
  if current and asked == nil and chosen() and not is_hidden() then
    draw()
  elseif options then
    M.update()
  end
end

--- Show another candidate; the server is asked for more where only one is known.
---@param step integer 1 for the next, -1 for the one before
---@return boolean shown whether there was one to go on from
function M.cycle(step)
  if not M.shown() or not current then
    return false
  end
  local num = #current.candidates
  if num > 1 or (current.complete and current.explicit) then
    current.idx = (current.idx - 1 + step) % num + 1
    draw()
  else
    ask(true, step)
  end
  return true
end

return M
