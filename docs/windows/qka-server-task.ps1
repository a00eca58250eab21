#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Keeps "qka server" running on the machine with QMT, as a scheduled task.

.DESCRIPTION
MiniQMT is a program of a desktop session and talks to others through files in its folder. So the
server runs in the same session, as the same user: as a scheduled task, not as a Windows service.
The task starts at logon, is looked after every minute, and is started again when it has ended.

Run this as the user who logs in to QMT, from the folder that holds .venv (or name -Python).
It does not start QMT and does not log in to it. The log goes to
%USERPROFILE%\.qka\server\ACCOUNT\server.log; the token does not go there, it is in default.token
in the same folder.

.PARAMETER Account
Fund account that QMT is logged in to.
.PARAMETER QmtPath
QMT's folder userdata_mini.
.PARAMETER Simulate
A made-up terminal instead of QMT: to try the task itself.
.PARAMETER ListenOn
Address to listen on; 127.0.0.1 is reached from this machine only.
.PARAMETER Allow
Networks or addresses that may connect, such as 192.168.1.20.
.PARAMETER Elevated
Run with administrator rights; needed when QMT is in C:\Program Files.
.PARAMETER Uninstall
Stop the server and remove its task; tokens, log and database stay.

.EXAMPLE
.\qka-server-task.ps1 -Account 8880012345 -QmtPath D:\QMT\userdata_mini

.EXAMPLE
.\qka-server-task.ps1 -Account 8880012345 -QmtPath D:\QMT\userdata_mini -ListenOn 192.168.1.10 -TlsCert C:\qka\cert.pem -TlsKey C:\qka\key.pem -Allow 192.168.1.20

.EXAMPLE
.\qka-server-task.ps1 -Account 8880012345 -Uninstall
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Mandatory = $true)]
    [ValidatePattern('^[0-9A-Za-z_-]+$')]
    [string] $Account,
    [string] $QmtPath = '',
    [switch] $Simulate,
    [ValidatePattern('^[0-9A-Za-z.:_-]+$')]
    [string] $ListenOn = '127.0.0.1',
    [ValidateRange(1, 65535)]
    [int] $Port = 8000,
    [string] $TlsCert = '',
    [string] $TlsKey = '',
    [ValidatePattern('^[0-9A-Fa-f.:/]+$')]
    [string[]] $Allow = @(),
    [switch] $ReadOnly,
    [string] $Python = (Join-Path $PWD.Path '.venv\Scripts\python.exe'),
    [switch] $Elevated,
    [switch] $Uninstall
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$taskPath = '\qka\'
$taskName = "qka server $Account"
$server = "-m qka server --account $Account"
$folder = Join-Path $HOME ".qka\server\$Account"
$log = Join-Path $folder 'server.log'

function Get-Task {
    Get-ScheduledTask -TaskPath $taskPath -TaskName $taskName -ErrorAction SilentlyContinue
}

function Stop-Server {
    if (Get-Task) {
        Stop-ScheduledTask -TaskPath $taskPath -TaskName $taskName
    }
    # the task's own process is cmd.exe: what it started may outlive it
    Get-CimInstance Win32_Process -Filter "Name = 'python.exe'" |
        Where-Object { "$($_.CommandLine) " -like "*$server *" } |
        ForEach-Object { Stop-Process -Id $_.ProcessId -Force -ErrorAction SilentlyContinue }
}

if ($Uninstall) {
    if ($PSCmdlet.ShouldProcess($taskName, 'stop the server and remove its task')) {
        if (Get-Task) {
            Disable-ScheduledTask -TaskPath $taskPath -TaskName $taskName | Out-Null
        }
        Stop-Server
        if (Get-Task) {
            Unregister-ScheduledTask -TaskPath $taskPath -TaskName $taskName -Confirm:$false
        }
        Write-Output "removed: $taskName; $folder is kept"
    }
    return
}

if (-not (Test-Path -LiteralPath $Python)) {
    throw "$Python is not there: run this from the folder with .venv, or name -Python"
}
if (-not $Simulate) {
    if (-not $QmtPath -or -not (Test-Path -LiteralPath $QmtPath -PathType Container)) {
        throw "-QmtPath '$QmtPath' is no folder: name the folder userdata_mini of QMT, or -Simulate"
    }
}
foreach ($file in @($TlsCert, $TlsKey)) {
    if ($file -and -not (Test-Path -LiteralPath $file -PathType Leaf)) {
        throw "$file is not there"
    }
}

$command = '"{0}" {1} --host {2} --port {3}' -f $Python, $server, $ListenOn, $Port
if ($Simulate) {
    $command += ' --simulate'
} else {
    # a path that ends in \ would take the quote after it along
    $command += ' --qmt-path "{0}"' -f $QmtPath.TrimEnd('\')
}
if ($TlsCert) { $command += ' --tls-cert "{0}"' -f $TlsCert }
if ($TlsKey) { $command += ' --tls-key "{0}"' -f $TlsKey }
foreach ($network in $Allow) { $command += " --allow $network" }
if ($ReadOnly) { $command += ' --read-only' }

# what is printed (the token) goes nowhere, the log goes to its file
$line = '/d /s /c "set PYTHONUTF8=1&& {0} 1>NUL 2>>"{1}""' -f $command, $log
$user = [Security.Principal.WindowsIdentity]::GetCurrent().Name
$level = if ($Elevated) { 'Highest' } else { 'Limited' }
$minute = New-TimeSpan -Minutes 1

if (-not $PSCmdlet.ShouldProcess($taskName, "register: cmd.exe $line")) {
    return
}
New-Item -ItemType Directory -Force -Path $folder | Out-Null
Stop-Server

$action = New-ScheduledTaskAction -Execute $env:ComSpec -Argument $line -WorkingDirectory $folder
# two triggers: at logon, and a look every minute; an instance that runs is left alone
$triggers = @(
    (New-ScheduledTaskTrigger -AtLogOn -User $user),
    (New-ScheduledTaskTrigger -Once -At (Get-Date).AddMinutes(1) -RepetitionInterval $minute)
)
$settings = New-ScheduledTaskSettingsSet `
    -MultipleInstances IgnoreNew `
    -RestartCount 255 -RestartInterval $minute `
    -ExecutionTimeLimit ([TimeSpan]::Zero) `
    -StartWhenAvailable -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
$principal = New-ScheduledTaskPrincipal -UserId $user -LogonType Interactive -RunLevel $level

Register-ScheduledTask -TaskPath $taskPath -TaskName $taskName -Action $action `
    -Trigger $triggers -Settings $settings -Principal $principal -Force `
    -Description "qka: the account $Account of QMT for other machines" | Out-Null
Start-ScheduledTask -TaskPath $taskPath -TaskName $taskName

Write-Output "registered and started: $taskName"
Write-Output "log    $log"
Write-Output "token  $(Join-Path $folder 'default.token')"
