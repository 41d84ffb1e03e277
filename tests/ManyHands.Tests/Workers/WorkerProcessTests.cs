using System.Runtime.InteropServices;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Workers;

public sealed partial class WorkerProcessTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Start_CapturedVariables_AreCopies()
    {
        int number = 5;
        int[] numbers = [1, 2];
        WorkerProcess<int> worker = WorkerProcess.Start(() =>
        {
            numbers[0] = 100;
            return number + numbers[0] + numbers[1];
        });
        Assert.Equal(107, await worker);
        Assert.Equal(1, numbers[0]);
        Assert.Equal(0, worker.ExitCode);
        Assert.Null(worker.Signal);
    }

    [Fact]
    public async Task Start_WithArguments_HandsBackTheResult()
    {
        Assert.Equal("a|1|True", await WorkerProcess.Start(Work.Join, "a", 1, true));
        Assert.Equal("a|1|True", await WorkerProcess.Start(Work.JoinAsync, "a", 1, true));
        Assert.NotEqual(Environment.ProcessId, await WorkerProcess.Start(static () => Environment.ProcessId));
    }

    [Fact]
    public async Task Start_Derived_TakesItsFieldsAlong()
    {
        using Gate gate = new();
        Derived worker = new("derived", gate.Path, 7);
        Assert.Throws<InvalidOperationException>(() => worker.Id);
        worker.Start();
        int id = worker.Id;
        await worker;
        Assert.Equal($"derived {id} {id} 7", File.ReadAllText(gate.Path));
        Assert.Throws<InvalidOperationException>(worker.Start);
    }

    [Fact]
    public async Task Exit_FunctionThrew_CodeOneAndStandardError()
    {
        WorkerProcess worker = WorkerProcess.Start(static () => { Work.ThrowOwn(); }, "thrower");
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(1, worker.ExitCode);
        Assert.True(Assert.IsType<RemoteException>(worker.Exception).Is<OwnException>());
        Assert.Contains(worker.Exit!.LastErrorLines, line => line.Contains("OwnException: mine", StringComparison.Ordinal));
        Assert.Contains(worker.Exit.LastErrorLines, line => line.Contains(nameof(Work.ThrowOwn), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(137)]
    public async Task Exit_FunctionExits_TellsItsCode(int code)
    {
        WorkerProcess worker = WorkerProcess.Start(static (int code) => Environment.Exit(code), code);
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(code, worker.ExitCode);
        Assert.Null(worker.Signal);
        Assert.Equal(code, Assert.IsType<WorkerCrashedException>(worker.Exception).ExitCode);
    }

    [Fact]
    public async Task Terminate_EndsBySigterm_AfterHandlersRan()
    {
        using Gate gate = new();
        string left = gate.Named("left");
        WorkerProcess worker = WorkerProcess.Start(
            static (string opens, string left) =>
            {
                AppDomain.CurrentDomain.ProcessExit += (_, _) => Gate.Open(left);
                Gate.Open(opens);
                Thread.Sleep(Timeout.Infinite);
            },
            gate.Path,
            left);
        await gate.WaitAsync();
        worker.Terminate();
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(15, worker.Signal);
        Assert.Null(worker.ExitCode);
        Assert.Equal(WorkerState.Canceled, worker.State);
        Assert.True(File.Exists(left));
    }

    [Fact]
    public async Task Terminate_Ignored_KillsAfterTheGrace()
    {
        using Gate gate = new();
        WorkerProcess worker = WorkerProcess.Start(
            static path =>
            {
                AppDomain.CurrentDomain.ProcessExit += (_, _) => Thread.Sleep(Timeout.Infinite);
                Gate.Open(path);
                Thread.Sleep(Timeout.Infinite);
            },
            gate.Path);
        await gate.WaitAsync();
        worker.Terminate(TimeSpan.FromMilliseconds(100));
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(9, worker.Signal);
        Assert.Equal("it was terminated", worker.Exit!.Reason);
    }

    [Fact]
    public async Task Kill_EndsBySigkill()
    {
        using Gate gate = new();
        WorkerProcess worker = WorkerProcess.Start(Work.WaitForever, gate.Path);
        await gate.WaitAsync();
        worker.Kill();
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(9, worker.Signal);
        Assert.Equal(WorkerState.Canceled, worker.State);
    }

    [Fact]
    public async Task Killed_FromOutside_IsACrash()
    {
        using Gate gate = new();
        WorkerProcess worker = WorkerProcess.Start(Work.WaitForever, gate.Path);
        await gate.WaitAsync();
        using (System.Diagnostics.Process process = System.Diagnostics.Process.GetProcessById(worker.Id))
            process.Kill();
        await worker.JoinAsync().InTime(Deadline);
        WorkerCrashedException crash = Assert.IsType<WorkerCrashedException>(worker.Exception);
        Assert.Equal(9, crash.Signal);
        Assert.Equal(worker.Id, crash.ProcessId);
        Assert.Contains("SIGKILL", crash.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LiveChildren_ListsThemWhileTheyLive()
    {
        using Gate gate = new();
        WorkerProcess[] workers = [.. Enumerable.Range(0, 3).Select(_ => WorkerProcess.Start(Gate.WaitAsync, gate.Path))];
        Assert.Equal(workers.Select(worker => worker.Id).Order(), WorkerProcess.LiveChildren.Select(worker => worker.Id).Order());
        gate.Open();
        foreach (WorkerProcess worker in workers)
            await worker.JoinAsync().InTime(Deadline);
        Assert.Empty(WorkerProcess.LiveChildren);
    }

    [Fact]
    public async Task Start_ManyFromManyThreads_NoneGetsAnothersArguments()
    {
        WorkerProcess<int>[][] workers = await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(
            () => Enumerable.Range(0, 4).Select(i => WorkerProcess.Start(Work.Add, 100 * thread, i)).ToArray())));
        for (int thread = 0; thread < 8; thread++)
        {
            for (int i = 0; i < 4; i++)
                Assert.Equal((100 * thread) + i, await workers[thread][i]);
        }
    }

    [Fact]
    public async Task Start_FromAChildOfAChild_Works()
    {
        int[] ids = await WorkerProcess.Start(static () => Nest(2));
        Assert.Equal(3, ids.Distinct().Count());
        Assert.DoesNotContain(Environment.ProcessId, ids);
    }

    [Fact]
    public async Task RootKilled_TheWholeTreeEnds()
    {
        using Gate gate = new();
        string path = gate.Path;
        WorkerProcess root = WorkerProcess.Start(Grow, path, 2);
        await gate.WaitAsync();
        int[] tree = [.. File.ReadAllLines(path + ".ids").Select(int.Parse)];
        Assert.Equal(3, tree.Length);
        Assert.All(tree, id => Assert.True(ProcessInventory.IsAlive(id)));
        root.Kill();
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "the tree has ended", seconds: 2);
        await root.JoinAsync();
    }

    [Fact]
    public async Task ParentStoppedAndKilled_StoppedChildEndsToo()
    {
        using Gate gate = new();
        string path = gate.Path;
        WorkerProcess root = WorkerProcess.Start(Grow, path, 1);
        await gate.WaitAsync();
        int[] tree = [.. File.ReadAllLines(path + ".ids").Select(int.Parse)];
        Assert.Equal(0, Signal(tree[1], 19));
        await Eventually.True(() => StateOf(tree[1]) == 'T', "the grandchild is stopped");
        root.Kill();
        await Eventually.True(() => !tree.Any(ProcessInventory.IsAlive), "the tree has ended", seconds: 2);
        await root.JoinAsync();
    }

    [Fact]
    public async Task CancelledToken_OfAnArgument_Cancels()
    {
        using Gate gate = new();
        using CancellationTokenSource source = new();
        WorkerProcess<int> worker = WorkerProcess.Start(Work.WaitForever, gate.Path, source.Token);
        await gate.WaitAsync();
        await source.CancelAsync();
        await worker.JoinAsync().InTime(Deadline);
        Assert.IsAssignableFrom<OperationCanceledException>(worker.Exception);
    }

    [Fact]
    public async Task Progress_Arrives()
    {
        ListProgress<int> progress = new();
        Assert.Equal(10, await WorkerProcess.Start(Work.Report, 10, (IProgress<int>)progress));
        Assert.Equal(Enumerable.Range(0, 10), progress.Values);
    }

    [Fact]
    public async Task ForegroundThreads_KeepTheChild_BackgroundOnesDoNot()
    {
        using Gate gate = new();
        string finish = gate.Named("finish"), done = gate.Named("done");
        WorkerProcess worker = WorkerProcess.Start(
            static (string finish, string done) =>
            {
                new Thread(() => Thread.Sleep(Timeout.Infinite)) { IsBackground = true }.Start();
                new Thread(() =>
                {
                    Gate.Wait(finish);
                    Gate.Open(done);
                }).Start();
            },
            finish,
            done);
        Assert.False(await worker.JoinAsync(TimeSpan.FromMilliseconds(200)));
        Gate.Open(finish);
        await worker.JoinAsync().InTime(Deadline);
        Assert.True(File.Exists(done));
        Assert.Equal(0, worker.ExitCode);
    }

    private static int[] Nest(int levels) => levels == 0
        ? [Environment.ProcessId]
        : [Environment.ProcessId, .. Join(WorkerProcess.Start(Nest, levels - 1))];

    private static int[] Join(WorkerProcess<int[]> worker)
    {
        worker.Join();
        return worker.Result;
    }

    // Each level writes its id, the last opens the gate; then all wait for ever.
    private static void Grow(string path, int levels)
    {
        File.AppendAllLines(path + ".ids", [Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        if (levels == 0)
            Gate.Open(path);
        else
            WorkerProcess.Start(Grow, path, levels - 1);
        Thread.Sleep(Timeout.Infinite);
    }

    private static char StateOf(int pid)
    {
        string text = File.ReadAllText($"/proc/{pid}/stat");
        return text[text.LastIndexOf(')') + 2];
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int pid, int signal);

    private sealed class Derived(string name, string path, int number) : WorkerProcess(name)
    {
        protected override void Run() => File.WriteAllText(path, $"{Name} {Id} {Environment.ProcessId} {number}");
    }
}
