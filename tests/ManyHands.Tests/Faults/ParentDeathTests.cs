using System.Diagnostics;
using System.Globalization;
using ManyHands.Tests.Samples;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>Whatever ends a program, its workers end with it, and what they have started.</summary>
public sealed class ParentDeathTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    // As the tests themselves: Debug or Release.
    private static string Program => Path.Combine(
        SampleProcess.RepositoryRoot(), "tests", "Hosts", "ConsoleHost", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "ConsoleHost");

    [Theory]
    [InlineData(Signals.Kill)]
    [InlineData(Signals.Terminate)]
    [InlineData(Signals.Interrupt)]
    public async Task HostEndedBySignal_TreeEnds(int signal)
    {
        Assert.SkipWhen(signal == Signals.Interrupt && Signals.IsIgnored(signal), "Whoever started the tests has the signal ignored, as shells do for what they start in the background; that is inherited.");
        using Gate gate = new();
        using Host host = new("waits", gate);
        int[] tree = await Tree(gate);
        Assert.True(Signals.TrySend(host.Process.Id, signal));
        await Ends(host, tree);
        Assert.Equal(128 + signal, host.Process.ExitCode);
    }

    /// <summary>Stopped processes can't see that their parent ends; they end all the same.</summary>
    [Fact]
    public async Task HostKilled_StoppedWorkersEnd()
    {
        using Gate gate = new();
        using Host host = new("waits", gate);
        int[] tree = await Tree(gate);
        int[] workers = [.. tree.Where(id => ProcessInventory.Parent(id) == host.Process.Id)];
        Assert.Equal(4, workers.Length);
        foreach (int worker in workers)
            Assert.True(Signals.TrySend(worker, Signals.Stop));
        await Eventually.True(() => workers.All(Signals.IsStopped), "all workers are stopped");
        Assert.True(Signals.TrySend(host.Process.Id, Signals.Kill));
        await Ends(host, tree);
    }

    [Theory]
    [InlineData("failfast", 128 + Signals.Abort)]
    [InlineData("throws", 128 + Signals.Abort)]
    [InlineData("exits", 5)]
    [InlineData("returns", 6)]
    public async Task HostEndsByItself_AtOnce_TreeEnds(string how, int exitCode)
    {
        using Gate gate = new();
        using Host host = new(how, gate);
        int[] tree = await Tree(gate);
        await Gate.WaitAsync(gate.Named("ending"));
        long endingAt = Stopwatch.GetTimestamp();
        await Ends(host, tree);
        Assert.Equal(exitCode, host.Process.ExitCode);
        if (how is "exits" or "returns")
            Assert.InRange(FairClock.Between(File.GetLastWriteTime(gate.Named("ending")), host.Process.ExitTime).TotalSeconds, -0.1, 1);
        Assert.InRange(FairClock.Since(endingAt).TotalSeconds, 0, 5);
    }

    /// <summary>Whoever reads the program's output comes to its end: no orphan holds it.</summary>
    [Theory]
    [InlineData("returns")]
    [InlineData("throws")]
    public async Task HostInAPipe_PipeEnds(string how)
    {
        using Gate gate = new();
        string folder = Path.GetDirectoryName(gate.Path)!;
        using Process shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"'{Program}' perish {how} '{folder}' 2>&1 | cat > '{gate.Named("output")}'"]) { RedirectStandardError = true })!;
        int[] tree = await Tree(gate);
        await Gate.WaitAsync(gate.Named("ending"));
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken).InTime(TimeSpan.FromSeconds(5));
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "the tree has ended", seconds: 2);
    }

    /// <summary>The same for a program that reaches its workers in any of the ways; here it is a worker itself.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task OwnerOfAPoolKilled_TreeEnds(TransportUnderTest transport)
    {
        using Gate gate = new();
        string path = gate.Path;
        WorkerProcess owner = WorkerProcess.Start(OwnPool, transport, path);
        await gate.WaitAsync();
        int[] tree = EndlessLoops.ReadIds(path);
        Assert.Equal(4, tree.Count(ProcessInventory.IsAlive));
        Assert.Equal(owner.Id, ProcessInventory.Parent(tree[0]));
        Assert.True(Signals.TrySend(owner.Id, Signals.Kill));
        await owner.JoinAsync().InTime(Deadline);
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "the tree has ended", seconds: 2);
    }

    private static void OwnPool(TransportUnderTest transport, string path)
    {
        Pool pool = Pool.Processes(1, new ProcessPoolOptions().Over(transport));
        pool.RunAsync(EndlessLoops.RunWithGrandchildren, EndlessLoop.Native, path).Wait();
    }

    private static async Task<int[]> Tree(Gate gate)
    {
        await Gate.WaitAsync(gate.Named("ready"));
        int[] tree = [.. Directory.GetFiles(Path.GetDirectoryName(gate.Path)!, "id-*").Select(file => int.Parse(Path.GetFileName(file)["id-".Length..], CultureInfo.InvariantCulture))];
        Assert.Equal(8, tree.Length);
        return tree;
    }

    private static async Task Ends(Host host, int[] tree)
    {
        // Its standard error closes, too: nobody else holds it.
        await host.Process.StandardError.ReadToEndAsync().InTime(TimeSpan.FromSeconds(5));
        await host.Process.WaitForExitAsync().InTime(TimeSpan.FromSeconds(5));
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "the tree has ended", seconds: 2);
    }

    /// <summary>A running program; a test that fails leaves none behind.</summary>
    private sealed class Host(string how, Gate gate) : IDisposable
    {
        public Process Process { get; } = Process.Start(new ProcessStartInfo(Program, ["perish", how, Path.GetDirectoryName(gate.Path)!])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

        public void Dispose()
        {
            Process.Kill(entireProcessTree: true);
            Process.Dispose();
        }
    }
}
