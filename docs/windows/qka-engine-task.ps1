#Requires -Version 5.1
#Requires -RunAsAdministrator
<#
.SYNOPSIS
Starts "qka run" on weekdays before the open, as a scheduled task in the session with QMT.

.DESCRIPTION
MiniQMT is a program of a desktop session and talks to others through files in its folder. So the
engine runs in the same session, as the same user: as a scheduled task, not as a Windows service.
It is not started again when it has ended: a task can't tell a config that is wrong (exit code 2) or
a halt (3) from a fault (1). Let alerts and the heartbeat tell you (docs/operations.md).

Run this as the user who logs in to QMT, from the project's folder, which holds .venv (or name
-Python). Ctrl-C in the window that it opens stops the engine cleanly; closing the window kills it,
which loses no order. Its log is runs\...\log.jsonl.

.PARAMETER Config
The account's config, as config\live.yaml.
.PARAMETER Live
Trade real money, as "qka run --live".
.PARAMETER At
When it starts, on weekdays. On a holiday it runs and nothing happens.
.PARAMETER Elevated
Run with administrator rights; needed when QMT is in C:\Program Files.
.PARAMETER Uninstall
Remove the task; an engine that runs goes on.

.EXAMPLE
.\qka-engine-task.ps1 -Config config\live.yaml -Live
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Mandatory = $true)]
    [string] $Config,
    [switch] $Live,
    [ValidatePattern('^([01]\d|2[0-3]):[0-5]\d$')]
    [string] $At = '08:55',
    [string] $Python = (Join-Path $PWD.Path '.venv\Scripts\python.exe'),
    [switch] $Elevated,
    [switch] $Uninstall
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$taskPath = '\qka\'
$taskName = "qka engine $([IO.Path]::GetFileNameWithoutExtension($Config))"

if ($Uninstall) {
    $task = Get-ScheduledTask -TaskPath $taskPath -TaskName $taskName -ErrorAction SilentlyContinue
    if ($task -and $PSCmdlet.ShouldProcess($taskName, 'remove the task')) {
        Unregister-ScheduledTask -TaskPath $taskPath -TaskName $taskName -Confirm:$false
        Write-Output "removed: $taskName; an engine that runs goes on"
    }
    return
}

foreach ($file in @($Python, $Config)) {
    if (-not (Test-Path -LiteralPath $file -PathType Leaf)) {
        throw "$file is not there: run this from the project's folder, or name -Python"
    }
}

$arguments = '-X utf8 -m qka run "{0}"' -f $Config
if ($Live) { $arguments += ' --live' }
$user = [Security.Principal.WindowsIdentity]::GetCurrent().Name
$level = if ($Elevated) { 'Highest' } else { 'Limited' }

if (-not $PSCmdlet.ShouldProcess($taskName, "register: $Python $arguments, weekdays at $At")) {
    return
}
$action = New-ScheduledTaskAction -Execute $Python -Argument $arguments -WorkingDirectory $PWD.Path
$trigger = New-ScheduledTaskTrigger -Weekly -At $At `
    -DaysOfWeek Monday, Tuesday, Wednesday, Thursday, Friday
$settings = New-ScheduledTaskSettingsSet `
    -MultipleInstances IgnoreNew -ExecutionTimeLimit ([TimeSpan]::Zero) `
    -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
$principal = New-ScheduledTaskPrincipal -UserId $user -LogonType Interactive -RunLevel $level

Register-ScheduledTask -TaskPath $taskPath -TaskName $taskName -Action $action `
    -Trigger $trigger -Settings $settings -Principal $principal -Force `
    -Description "qka: the engine of $Config" | Out-Null
Write-Output "registered: $taskName, weekdays at $At; start it now with: Start-ScheduledTask '$taskPath$taskName'"
