--- The language server: one for all buffers, started with the first, started anew when it dies.

local buffers = require('midfill.buffers')
local config = require('midfill.config')
local folders = require('midfill.folders')
local follow = require('midfill.follow')
local report = require('midfill.report')
local wire = require('midfill.wire')

local M = {}

local api = vim.api
local RESTARTS, WINDOW_S = 3, 60

---@class midfill.Hooks
---@field on_end fun() the server has ended
---@field on_token lsp.Handler answers `midfill/token`

local options ---@type midfill.Options
local hooks ---@type midfill.Hooks
local told = {} ---@type table<integer, string> file type and name as the server was told, by buffer
local deaths = {} ---@type integer[] when it died, in seconds
local stopped_id ---@type integer? the client that was told to end
local is_missing_told = false
local is_given_up = false -- it keeps dying

--- Take the options of `setup()`.
---@param chosen midfill.Options
---@param chosen_hooks midfill.Hooks
function M.configure(chosen, chosen_hooks)
  options, hooks = chosen, chosen_hooks
  is_missing_told, is_given_up = false, false
  local client = wire.client()
  if client then
    client.settings = { midfill = options.settings }
    local change = { settings = { midfill = vim.empty_dict() } }
    change.settings.midfill = next(options.settings) and options.settings or vim.empty_dict()
    wire.notify('workspace/didChangeConfiguration', change)
  end
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
    ['$/progress'] = function(err, params, ...)
      local grow = params and wire.growing[params.token]
      if grow then
        grow(params.value)
        return
      end
      return show_progress(err, params, ...)
    end,
    ['midfill/status'] = function(_, params)
      local reason = type(params.reason) == 'string' and params.reason or nil
      local progress = type(params.progress) == 'number' and params.progress or nil
      wire.set_status(params.state, reason, progress)
    end,
    ['midfill/token'] = hooks.on_token,
  }
end

---@return table
local function capabilities()
  local known = vim.lsp.protocol.make_client_capabilities()
  known.textDocument.inlineCompletion = { dynamicRegistration = false }
  return known
end

local function on_exit(code, signal, ended_id)
  if ended_id ~= wire.id then
    return
  end
  local tell = wire.ended()
  vim.schedule(function()
    tell()
    hooks.on_end()
    if wire.id == nil then -- else it was started anew meanwhile
      wire.set_status('stopped', ('the language server ended (code %d, signal %d)'):format(code, signal))
    end
    wire.release_held()
    if ended_id ~= stopped_id and vim.v.exiting == vim.NIL then
      M.revive()
    end
  end)
end

--- Whether the server that died now is one too many; told once.
---@return boolean
local function keeps_dying()
  local now = os.time()
  deaths = vim.tbl_filter(function(time)
    return now - time < WINDOW_S
  end, deaths)
  table.insert(deaths, now)
  if #deaths <= RESTARTS then
    return false
  end
  is_given_up = true
  local text = 'Midfill: the language server ended %d times within a minute; '
    .. ':Midfill log tells more, :Midfill restart tries again'
  vim.notify(text:format(#deaths), vim.log.levels.ERROR)
  return true
end

--- Start a server that died anew, unless it keeps dying. One that an event started meanwhile knows
--- the buffer of that event only.
function M.revive()
  if not is_given_up and (wire.client() or not keeps_dying()) then
    M.attach_all()
  end
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
    root_dir = folders.of(buf, options.root_markers),
    capabilities = capabilities(),
    settings = { midfill = options.settings },
    init_options = { midfill = vim.tbl_extend('force', options.settings, own) },
    handlers = handlers(),
    get_language_id = function(_, filetype)
      return buffers.language_id(filetype)
    end,
    on_init = function(client)
      client.server_capabilities.inlineCompletionProvider = nil -- else Neovim draws it as well
      folders.tell_late(client)
    end,
    on_attach = vim.schedule_wrap(wire.release_held), -- each buffer that waited is known by then
    on_exit = on_exit,
  }
end

--- Whether the server knows a buffer.
---@param buf integer
---@return boolean
function M.is_attached(buf)
  return wire.id ~= nil and vim.lsp.buf_is_attached(buf, wire.id)
end

--- Return why nothing can be asked about a buffer, nil if it can.
---@param buf integer
---@return string?
function M.why_unknown(buf)
  local unknown = 'this buffer is none that the language server knows'
  return not M.is_attached(buf) and (wire.client() and unknown or wire.why_not()) or nil
end

--- Return what to do about a program that cannot be run, nil if it can.
---@param program string
---@return string?
function M.missing(program)
  local text = '%s is not executable; install it (:help midfill-install), or set `cmd` in setup()'
  return vim.fn.executable(program) == 0 and text:format(program) or nil
end

--- Take a buffer back from the server, by the name that it has now.
---@param buf integer
function M.detach(buf)
  if M.is_attached(buf) then
    vim.lsp.buf_detach_client(buf, wire.id)
  end
end

--- Let the server know a buffer and its project, and start the server if none runs. One that is no
--- longer wanted is taken back.
---@param buf integer
---@return boolean whether it is known anew
function M.attach(buf)
  local is_wanted = api.nvim_buf_is_valid(buf) and M.wants(buf)
  local now = is_wanted and ('%s %s'):format(vim.bo[buf].filetype, api.nvim_buf_get_name(buf)) or nil
  if now ~= told[buf] then
    M.detach(buf) -- the protocol knows no change of language or name
  end
  if is_given_up or not is_wanted or M.is_attached(buf) then
    return false
  end
  local other = buffers.other_without_name(buf, wire.client())
  if other and buf ~= api.nvim_get_current_buf() then
    return false
  elseif other then
    M.detach(other) -- the one that is typed in is known
  end
  local starting = start_config(buf)
  local missing = M.missing(starting.cmd[1])
  if missing then
    if not is_missing_told then
      report.complain(missing)
    end
    is_missing_told = true
    return false
  end
  folders.add(starting.root_dir)
  told[buf] = now
  local before = wire.id
  wire.id = vim.lsp.start(starting, {
    bufnr = buf,
    reuse_client = function(client)
      return client.id == wire.id
    end,
  })
  follow.watch(buf)
  if wire.id and wire.id ~= before then
    wire.set_status('starting')
  end
  return true
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
  is_missing_told, is_given_up = false, false
  local client = wire.client()
  if not client then
    M.attach_all()
    return
  end
  stopped_id = client.id
  wire.call(client, 'stop')
  vim.wait(5000, function()
    return vim.lsp.get_client_by_id(client.id) == nil
  end, 20)
  if wire.id == client.id then -- it does not answer: nobody waits for it any longer
    wire.call(client, 'stop', true)
    wire.ended()()
    hooks.on_end()
    wire.set_status('stopped', 'the language server did not answer')
    wire.release_held()
  end
  M.attach_all()
end

return M
