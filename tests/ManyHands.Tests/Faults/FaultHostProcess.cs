using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using ManyHands.Platform;
using ManyHands.Tests.Samples;

namespace ManyHands.Tests.Faults;

/// <summary>A FaultHost from outside: gives it cells, continues what a fault has stopped, and checks what holds when the parent is killed.</summary>
internal sealed class FaultHostProcess : IAsyncDisposable
{
    /// <summary>A cell takes less than a second. After this time something waits that nothing will wake.</summary>
    private static readonly TimeSpan Watchdog = TimeSpan.FromSeconds(10);

    /// <summary>From the note that it will be stopped until it is takes no time but for a busy machine's.</summary>
    private static readonly TimeSpan StopTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("faults-");
    private readonly Process process;
    private readonly StringBuilder errors = new();

    private FaultHostProcess(IEnumerable<FaultTransports> transports)
    {
        string temporary = directory.CreateSubdirectory("tmp").FullName;
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        string program = Path.Combine(SampleProcess.RepositoryRoot(), "tests", "Hosts", "FaultHost", "bin", configuration, "net10.0", "FaultHost.dll");
        process = new Process
        {
            StartInfo = new ProcessStartInfo(SampleProcess.DotnetCommand(), [program, .. transports.Select(transport => transport.ToString())])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { [FaultPoint.Variable] = directory.FullName, ["TMPDIR"] = temporary, ["DOTNET_TieredPGO"] = "0" },
            },
        };
        process.ErrorDataReceived += (_, line) =>
        {
            lock (errors)
                errors.AppendLine(line.Data);
        };
        process.Start();
        process.BeginErrorReadLine();
    }

    private string Fired => Path.Combine(directory.FullName, FaultPoint.FiredFile);

    /// <summary>Whether it can take another cell.</summary>
    public bool IsUsable { get; private set; } = true;

    /// <summary>Starts one that is ready for its first cell.</summary>
    /// <param name="transports">Those of its cells.</param>
    public static async Task<FaultHostProcess> StartAsync(params IEnumerable<FaultTransports> transports)
    {
        FaultHostProcess host = new(transports);
        if (await host.process.StandardOutput.ReadLineAsync().InTime(StartTime) != "ready")
            throw new InvalidOperationException($"FaultHost didn't start: {host.Errors()}");
        return host;
    }

    /// <summary>Runs the scenario without a fault, and says which steps it comes by.</summary>
    public async Task<CellAnswer> Record(string scenario, FaultTransports transport)
    {
        Task<string?> line = process.StandardOutput.ReadLineAsync();
        await process.StandardInput.WriteLineAsync($"{scenario} {transport} record");
        return Parse(await line.InTime(StartTime));
    }

    public async Task<CellReport> Run(FaultCell cell)
    {
        long startedAt = Stopwatch.GetTimestamp();
        File.Delete(Fired);
        Task<string?> line = process.StandardOutput.ReadLineAsync();
        await process.StandardInput.WriteLineAsync(cell.Command);
        using CancellationTokenSource over = new();
        Task continuing = cell.Fault == Fault.Stop ? ContinueStopped(over.Token) : Task.CompletedTask;
        List<string> violations = [];
        if (!await Ends(line))
        {
            violations.Add($"no answer within {Watchdog.TotalSeconds} s.{Environment.NewLine}{Dump()}");
            await End();
        }
        else if (cell.EndsHost && await line is null)
        {
            violations.AddRange(await CheckKilled(cell));
            await End();
        }
        else if (await line is null)
        {
            violations.Add($"the host ended: {Errors()}");
            await End();
        }
        else
        {
            violations.AddRange(Parse(await line).Violations);
        }

        await over.CancelAsync();
        await continuing;
        bool fired = File.Exists(Fired);

        // After a violation nothing is known about what is left there.
        if (violations.Count > 0 || (cell.EndsHost && fired))
            await End();
        return new CellReport(cell, fired, violations, Stopwatch.GetElapsedTime(startedAt).TotalMilliseconds);
    }

    public async ValueTask DisposeAsync()
    {
        if (IsUsable)
        {
            process.StandardInput.Close();
            await Ended();
        }

        await End();
        process.Dispose();
        directory.Delete(recursive: true);
    }

    private static CellAnswer Parse(string? line) =>
        line is null ? new CellAnswer { Violations = ["the host ended"] } : JsonSerializer.Deserialize<CellAnswer>(line)!;

    private static async Task<bool> Ends(Task answer)
    {
        try
        {
            await answer.InTime(Watchdog);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private string Errors()
    {
        lock (errors)
            return errors.ToString();
    }

    // Lets whatever was stopped stand still for a while, so that all others meet a silent one, and continues it; also if the host was done before that.
    private async Task ContinueStopped(CancellationToken over)
    {
        while (!File.Exists(Fired))
        {
            if (over.IsCancellationRequested)
                return;
            await Task.Delay(5, CancellationToken.None);
        }

        int victim = int.Parse(File.ReadAllText(Fired).Split(' ')[0], CultureInfo.InvariantCulture);
        long startedAt = Stopwatch.GetTimestamp();
        while (!ProcessInventory.IsStopped(victim))
        {
            if (!ProcessInventory.IsAlive(victim))
                return;

            // The scenario itself may have continued it, between two looks.
            if (over.IsCancellationRequested && FairClock.Since(startedAt) > StopTime)
                break;
            await Task.Delay(2, CancellationToken.None);
        }

        await Task.Delay(FaultCell.Duration, CancellationToken.None);
        if (OperatingSystem.IsLinux())
            _ = Linux.Kill(victim, Linux.Sigcont);
    }

    private async Task<List<string>> CheckKilled(FaultCell cell)
    {
        List<string> violations = [];
        if (!await Ended())
            return [$"closed its output, and did not end within {Watchdog.TotalSeconds} s.{Environment.NewLine}{Dump()}"];
        long startedAt = Stopwatch.GetTimestamp();
        while (Descendants() is { Count: > 0 } left)
        {
            // The portable way has nothing that would end a child that the scenario has stopped.
            if (cell.Transport == FaultTransports.Portable && OperatingSystem.IsLinux())
                left.ForEach(pid => _ = Linux.Kill(pid, Linux.Sigcont));
            if (FairClock.Since(startedAt) > TimeSpan.FromSeconds(2))
            {
                violations.Add($"{left.Count} children outlived their parent by 2 s.{Environment.NewLine}{Dump()}");
                break;
            }

            await Task.Delay(5);
        }

        foreach (DirectoryInfo ledger in directory.GetDirectories("ledger-*"))
            violations.AddRange(Ledger.Runs(ledger.FullName).Where(pair => pair.Value > 1).Select(pair => $"call {pair.Key} ran {pair.Value} times"));

        // Until a child has connected nobody else knows of the socket that its parent has put there; both workers of the pool may be at that point.
        int mayBeLeft = cell.Transport == FaultTransports.Portable ? 2 : 0;
        string[] files = [.. Directory.GetFileSystemEntries(Path.Combine(directory.FullName, "tmp"), "manyhands*")];
        if (files.Length > mayBeLeft)
            violations.Add($"left over: {string.Join(", ", files)}");
        return violations;
    }

    /// <summary>Everything that has this host's directory in its environment, but the host itself.</summary>
    private List<int> Descendants() => [.. ProcessInventory.WithEnvironment($"{FaultPoint.Variable}={directory.FullName}").Where(pid => pid != process.Id)];

    // What is known of the host and of its children at the end of all patience.
    private string Dump()
    {
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"Fired: {(File.Exists(Fired) ? File.ReadAllText(Fired) : "nothing")}. Errors: {Errors()}");
        foreach (int pid in Descendants().Prepend(process.Id))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"Process {pid}: {ProcessInventory.Read($"/proc/{pid}/cmdline").Replace('\0', ' ')}");
            foreach (string line in ProcessInventory.Read($"/proc/{pid}/status").Split('\n').Where(line => line.StartsWith("State", StringComparison.Ordinal) || line.StartsWith("Threads", StringComparison.Ordinal) || line.StartsWith("PPid", StringComparison.Ordinal)))
                text.AppendLine(CultureInfo.InvariantCulture, $"  {line}");
            if (!Directory.Exists($"/proc/{pid}/task"))
                continue;
            foreach (string task in Directory.GetDirectories($"/proc/{pid}/task"))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  {Path.GetFileName(task)} {ProcessInventory.Read($"{task}/comm").Trim()}: waits in {ProcessInventory.Read($"{task}/wchan")}, system call {ProcessInventory.Read($"{task}/syscall").Trim()}");
                string stack = ProcessInventory.Read($"{task}/stack");
                if (stack.Length > 0)
                    text.AppendLine(CultureInfo.InvariantCulture, $"    {string.Join(" < ", stack.Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(5))}");
            }
        }

        return text.ToString();
    }

    // Not the end of its error output, which whatever holds it could put off for ever.
    private async Task<bool> Ended()
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!process.HasExited && FairClock.Since(startedAt) < Watchdog)
            await Task.Delay(2);
        return process.HasExited;
    }

    private async Task End()
    {
        IsUsable = false;
        if (!process.HasExited)
            process.Kill();
        await Ended();

        // They end by themselves with their parent; those that the sweep found not to, end here.
        long startedAt = Stopwatch.GetTimestamp();
        while (Descendants() is { Count: > 0 } left && FairClock.Since(startedAt) < Watchdog)
        {
            if (OperatingSystem.IsLinux() && FairClock.Since(startedAt) > TimeSpan.FromSeconds(2))
                left.ForEach(pid => _ = Linux.Kill(pid, Linux.Sigkill));
            await Task.Delay(5);
        }
    }
}
