--- The language server: one for all buffers, started with the first, started anew when it dies.

local buffers = require('midfill.buffers')
local columns = require('midfill.columns')
local config = require('midfill.config')

local M = {}

local api = vim.api
local RESTARTS, WINDOW_S = 3, 60
local is_old = vim.fn.has('nvim-0.11') == 0
---@class midfill.Status
---@field state string
---@field reason? string

local stopped = { state = 'stopped' }

---@type midfill.Status
M.status = stopped
---@type table<string|integer, fun(value: any)> by progress token
M.growing = {}

local options ---@type midfill.Options
local hooks ---@type { on_end: fun(), on_token: fun(url: string, answer: fun(token?: string)) }
local client_id ---@type integer?
local languages = {} ---@type table<integer, string> file types as the server was told, by buffer
local deaths = {} ---@type integer[] when it died, in seconds
local is_stopping = false
local is_missing_told = false

--- Take the options of `setup()`.
---@param chosen midfill.Options
---@param chosen_hooks { on_end: fun(), on_token: fun(url: string, answer: fun(token?: string)) }
function M.configure(chosen, chosen_hooks)
  options, hooks = chosen, chosen_hooks
  is_missing_told = false
  local client = M.client()
  if client then
    client.settings = { midfill = options.settings }
    local change = { settings = { midfill = vim.empty_dict() } }
    change.settings.midfill = next(options.settings) and options.settings or vim.empty_dict()
    M.notify('workspace/didChangeConfiguration', change)
  end
end

--- Return the client that runs, nil if none does.
---@return vim.lsp.Client?
function M.client()
  local client = client_id and vim.lsp.get_client_by_id(client_id)
  return client or nil
end

-- The members of a client were functions before 0.11, and are methods since.
local function call(client, name, ...)
  if is_old then
    return client[name](...)
  end
  return client[name](client, ...)
end

---@param state string
---@param reason? string
local function set_status(state, reason)
  M.status = { state = state, reason = reason }
  api.nvim_exec_autocmds('User', { pattern = 'MidfillStatus', modeline = false })
end

--- Return the command that starts the server.
---@return string[]
function M.command()
  return config.command(options)
end

---@return table<string, function>
local function handlers()
  local show_progress = vim.lsp.handlers['$/progress']
  return {
    ['$/progress'] = function(err, params, ctx, config)
      local grow = params and M.growing[params.token]
      if grow then
        grow(params.value)
        return
      end
      return show_progress(err, params, ctx, config)
    end,
    ['midfill/status'] = function(_, params)
      set_status(params.state, type(params.reason) == 'string' and params.reason or nil)
    end,
    ['midfill/token'] = function(_, params)
      local routine = coroutine.running()
      local answer ---@type { token?: string }?
      hooks.on_token(params.url, function(token)
        answer = { token = token or vim.NIL }
        if coroutine.status(routine) == 'suspended' then
          coroutine.resume(routine)
        end
      end)
      if not answer then
        coroutine.yield()
      end
      return answer
    end,
  }
end

---@return table
local function capabilities()
  local known = vim.lsp.protocol.make_client_capabilities()
  known.textDocument.inlineCompletion = { dynamicRegistration = false }
  return known
end

local function on_exit(code, signal, ended_id)
  if ended_id ~= client_id then
    return
  end
  client_id = nil
  M.growing = {}
  vim.schedule(function()
    hooks.on_end()
    set_status('stopped', ('the language server ended (code %d, signal %d)'):format(code, signal))
    if not is_stopping and vim.v.exiting == vim.NIL then
      M.revive()
    end
    is_stopping = false
  end)
end

--- Start a server that died anew, unless it keeps dying.
function M.revive()
  local now = os.time()
  deaths = vim.tbl_filter(function(time)
    return now - time < WINDOW_S
  end, deaths)
  table.insert(deaths, now)
  if #deaths > RESTARTS then
    local text = 'Midfill: the language server ended %d times within a minute; '
      .. ':Midfill log tells more, :Midfill restart tries again'
    vim.notify(text:format(#deaths), vim.log.levels.ERROR)
    return
  end
  M.attach_all()
end

--- Whether a buffer is one to complete in.
---@param buf integer
---@return boolean
function M.wants(buf)
  return buffers.is_wanted(buf, options)
end

---@param buf integer
---@return table
local function start_config(buf)
  local own = { statusNotifications = true, tokenRequests = options.token ~= nil }
  return {
    name = 'midfill',
    cmd = M.command(),
    root_dir = vim.fs.root(buf, options.root_markers) or vim.fn.getcwd(),
    capabilities = capabilities(),
    settings = { midfill = options.settings },
    init_options = { midfill = vim.tbl_extend('force', options.settings, own) },
    handlers = handlers(),
    get_language_id = function(_, filetype)
      return buffers.language_id(filetype)
    end,
    on_init = function(client)
      client.server_capabilities.inlineCompletionProvider = nil -- else Neovim draws it as well
    end,
    on_exit = on_exit,
  }
end

--- Whether the server knows a buffer.
---@param buf integer
---@return boolean
function M.is_attached(buf)
  return client_id ~= nil and vim.lsp.buf_is_attached(buf, client_id)
end

--- Let the server know a buffer, and start the server if none runs.
---@param buf integer
function M.attach(buf)
  if not M.wants(buf) or buffers.is_second_without_name(buf, M.client()) then
    return
  end
  if client_id and M.is_attached(buf) then
    if languages[buf] == vim.bo[buf].filetype then
      return
    end
    vim.lsp.buf_detach_client(buf, client_id) -- the protocol knows no change of language
  end
  local starting = start_config(buf)
  if vim.fn.executable(starting.cmd[1]) == 0 then
    if not is_missing_told then
      is_missing_told = true
      local text = 'Midfill: %s is not executable; pip install "midfill[engine]", or set `cmd` in setup()'
      vim.notify(text:format(starting.cmd[1]), vim.log.levels.ERROR)
    end
    return
  end
  languages[buf] = vim.bo[buf].filetype
  client_id = vim.lsp.start(starting, {
    bufnr = buf,
    reuse_client = function(client)
      return client.id == client_id
    end,
  })
end

--- Let the server know every buffer that is one to complete in.
function M.attach_all()
  for _, buf in ipairs(api.nvim_list_bufs()) do
    M.attach(buf)
  end
end

--- Stop the server, and start one anew.
function M.restart()
  deaths = {}
  is_missing_told = false
  local client = M.client()
  if not client then
    M.attach_all()
    return
  end
  is_stopping = true
  local ended = client.id
  call(client, 'stop')
  vim.wait(5000, function()
    return vim.lsp.get_client_by_id(ended) == nil
  end, 20)
  client_id = nil
  M.attach_all()
end

--- Send a notification; nothing happens while no server runs.
---@param method string
---@param params table
function M.notify(method, params)
  local client = M.client()
  if client then
    call(client, 'notify', method, params)
  end
end

--- Send a request.
---@param method string
---@param params table
---@param on_reply fun(err?: table, result: any)
---@param buf? integer whose changes have to be known to the server before
---@return (fun())? cancel nil if no server is there to ask; after it `on_reply` is not called
function M.request(method, params, on_reply, buf)
  local client = M.client()
  if not client or not client.initialized then
    return nil
  end
  local is_cancelled = false
  local is_sent, id = call(client, 'request', method, params, function(err, result)
    if not is_cancelled then
      on_reply(err, result)
    end
  end, buf)
  if not is_sent then
    return nil
  end
  return function()
    is_cancelled = true
    if not (client.is_stopped and call(client, 'is_stopped')) then
      call(client, 'cancel_request', id)
    end
  end
end

--- Run a command of the server.
---@param command string
---@param arguments any[]
---@param on_reply? fun(err?: table, result: any)
function M.execute(command, arguments, on_reply)
  local params = { command = command, arguments = arguments }
  local is_sent = M.request('workspace/executeCommand', params, on_reply or function() end)
  if not is_sent and on_reply then
    on_reply({ message = M.status.reason or 'the language server is not running' }, nil)
  end
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
