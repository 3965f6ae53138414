--- What is said to the language server that runs: requests, notifications, commands, and text that
--- grows. Knows nothing of how the server is started; `server` does that.

local columns = require('midfill.columns')

local M = {}

local api = vim.api
local is_old = vim.fn.has('nvim-0.11') == 0

---@class midfill.Status
---@field state string
---@field reason? string
---@field progress? number percent of the model that is there

---@type midfill.Status
M.status = { state = 'stopped' }
---@type table<string|integer, fun(value: any)> by progress token
M.growing = {}
---@type integer? the client that runs, or did
M.id = nil

---@alias midfill.OnReply fun(err?: table, result: any)
local waiting = {} ---@type table<table, midfill.OnReply> requests that were not answered yet
local held = {} ---@type (fun())[] what is to be asked of a server that starts

--- Return the client that runs, nil if none does.
---@return vim.lsp.Client?
function M.client()
  return M.id and vim.lsp.get_client_by_id(M.id) or nil
end

--- Call a member of a client: a function before 0.11, a method since.
---@param client vim.lsp.Client
---@param name string
---@param ... any
---@return any ...
function M.call(client, name, ...)
  if is_old then
    return client[name](...)
  end
  return client[name](client, ...)
end

---@param state string
---@param reason? string
---@param progress? number percent of the model that is there
function M.set_status(state, reason, progress)
  M.status = { state = state, reason = reason, progress = progress }
  api.nvim_exec_autocmds('User', { pattern = 'MidfillStatus', modeline = false })
end

--- Return why nobody is there to ask.
---@return string
function M.why_not()
  local is_starting = M.status.state == 'starting'
  return M.status.reason
    or ('the language server ' .. (is_starting and 'is starting; try again' or 'does not run: open a file'))
end

--- Do something once the server that starts can be asked, or has ended; at once if none starts.
---@param action fun()
function M.once_ready(action)
  local client = M.client()
  if client and not client.initialized then
    table.insert(held, action)
  else
    action()
  end
end

--- Do what was held for a server that started; it knows its first buffer now, or has ended.
function M.release_held()
  local actions = held
  held = {}
  for _, action in ipairs(actions) do
    action()
  end
end

--- Send a notification; nothing happens while no server runs.
---@param method string
---@param params table
function M.notify(method, params)
  local client = M.client()
  if client then
    M.call(client, 'notify', method, params)
  end
end

--- Send a request.
---@param method string
---@param params table
---@param on_reply midfill.OnReply called once, also if the server ends
---@param buf? integer whose changes have to be known to the server before
---@return (fun())? cancel nil if no server is there to ask; after it `on_reply` is not called
function M.request(method, params, on_reply, buf)
  local client = M.client()
  if not client or not client.initialized then
    return nil
  end
  local request = {}
  waiting[request] = on_reply
  local is_sent, id = M.call(client, 'request', method, params, function(err, result)
    local is_waited_for = waiting[request] ~= nil
    waiting[request] = nil
    if is_waited_for then
      on_reply(err, result)
    end
  end, buf)
  if not is_sent then
    waiting[request] = nil
    return nil
  end
  return function()
    waiting[request] = nil
    if not (client.is_stopped and M.call(client, 'is_stopped')) then
      M.call(client, 'cancel_request', id)
    end
  end
end

--- Take note that the client has ended, which Neovim does not tell those who wait for its replies.
---@return fun() tell lets them know
function M.ended()
  local unanswered = waiting
  waiting, M.growing, M.id = {}, {}, nil
  return function()
    for _, on_reply in pairs(unanswered) do
      on_reply({ message = 'the language server ended' }, nil)
    end
  end
end

--- Run a command of the server, once it has started.
---@param command string
---@param arguments any[]
---@param on_reply? midfill.OnReply
function M.execute(command, arguments, on_reply)
  local params = { command = command, arguments = arguments }
  M.once_ready(function()
    local is_sent = M.request('workspace/executeCommand', params, on_reply or function() end)
    if not is_sent and on_reply then
      on_reply({ message = M.why_not() }, nil)
    end
  end)
end

--- Return a byte column of the current buffer as the wire has it.
---@param row integer
---@param byte_col integer
---@return { line: integer, character: integer }
function M.position(row, byte_col)
  local line = api.nvim_buf_get_lines(0, row, row + 1, true)[1]
  return { line = row, character = columns.to_character(line, byte_col, M.encoding()) }
end

--- Return the encoding of columns that was settled.
---@return string
function M.encoding()
  local client = M.client()
  return client and client.offset_encoding or 'utf-16'
end

return M
