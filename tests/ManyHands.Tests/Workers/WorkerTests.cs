using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Workers;

/// <summary>What holds for every kind of worker.</summary>
public abstract class WorkerContract : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    protected abstract Worker Start(Func<Task> function, string? name = null);

    protected abstract Worker Start(Func<string, CancellationToken, Task> function, string argument, string? name = null);

    [Fact]
    public async Task JoinAsync_FunctionReturned_IsCompleted()
    {
        Worker worker = Start(static () => Task.CompletedTask, "the name");
        Assert.Equal("the name", worker.Name);
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(WorkerState.Completed, worker.State);
        Assert.Null(worker.Exception);
        await worker;
        Assert.True(worker.Join(TimeSpan.Zero));
    }

    [Fact]
    public async Task JoinAsync_FunctionThrew_WaitsAndDoesNotThrow()
    {
        Worker worker = Start(static () => throw new InvalidOperationException("from inside"));
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(WorkerState.Faulted, worker.State);
        Assert.Equal("from inside", Assert.IsType<InvalidOperationException>(worker.Exception).Message);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await worker);
    }

    [Fact]
    public async Task JoinAsync_WithTimeout_TellsWhetherItEnded()
    {
        using Gate gate = new();
        Worker worker = Start(static (path, token) => Gate.WaitAsync(path), gate.Path);
        Assert.False(await worker.JoinAsync(TimeSpan.Zero));
        Assert.False(await worker.JoinAsync(TimeSpan.FromMilliseconds(20)));
        Assert.False(worker.Join(TimeSpan.FromMilliseconds(20)));
        Assert.Equal(WorkerState.Running, worker.State);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => worker.JoinAsync(TimeSpan.FromSeconds(-5)));
        Assert.Throws<ArgumentOutOfRangeException>(() => worker.Join(TimeSpan.FromSeconds(-5)));
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(20));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => worker.JoinAsync(source.Token));
        gate.Open();
        Assert.True(await worker.JoinAsync(Deadline));
        worker.Join();
    }

    [Fact]
    public async Task Cancel_ReachesTheToken()
    {
        using Gate gate = new();
        Worker worker = Start(static (path, token) => Work.WaitForever(path, token), gate.Path);
        await gate.WaitAsync();
        worker.Cancel();
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal(WorkerState.Canceled, worker.State);
        Assert.Null(worker.Exception);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await worker);
    }

    [Fact]
    public async Task DisposeAsync_Running_StopsIt()
    {
        using Gate gate = new();
        Worker worker = Start(static (path, token) => Work.WaitForever(path, token), gate.Path);
        await gate.WaitAsync();
        await worker.DisposeAsync().AsTask().InTime(Deadline);
        Assert.Equal(WorkerState.Canceled, worker.State);
        await worker.DisposeAsync();
    }

    [Fact]
    public async Task Current_Inside_IsTheWorker()
    {
        using Gate gate = new();
        string path = gate.Path;
        Worker worker = Start(
            async () =>
            {
                await Task.Yield();
                File.WriteAllText(path + ".tmp", $"{Worker.Current.Name} {Worker.Current.Id}");
                File.Move(path + ".tmp", path);
            },
            "me");
        int id = worker.Id;
        await worker.JoinAsync().InTime(Deadline);
        Assert.Equal($"me {id}", File.ReadAllText(path));
        Assert.Equal("MainThread", Worker.Current.Name);
        Assert.Equal(Environment.ProcessId, Worker.Current.Id);
    }
}

public sealed class WorkerThreadTests : WorkerContract
{
    protected override Worker Start(Func<Task> function, string? name = null) =>
        WorkerThread.Start(() => function().GetAwaiter().GetResult(), name);

    protected override Worker Start(Func<string, CancellationToken, Task> function, string argument, string? name = null) =>
        WorkerThread.Start((string argument, CancellationToken token) => function(argument, token).GetAwaiter().GetResult(), argument, name);

    [Fact]
    public async Task Start_WithArguments_HandsBackTheResult()
    {
        Assert.Equal(42, await WorkerThread.Start(Work.Answer));
        Assert.Equal(6, await WorkerThread.Start(Work.Double, 3));
        Assert.Equal(5, await WorkerThread.Start(Work.Add, 2, 3));
        WorkerThread<string> worker = WorkerThread.Start(Work.Join, "a", 1, true, name: "joined");
        await worker.JoinAsync();
        Assert.Equal("a|1|True", worker.Result);
        Assert.Equal("joined", worker.Name);
    }

    [Fact]
    public async Task Start_Derived_RunsTheOverride()
    {
        Counting worker = new(5);
        Assert.Equal(WorkerState.Created, worker.State);
        await Assert.ThrowsAsync<InvalidOperationException>(() => worker.JoinAsync());
        worker.Start();
        await worker.JoinAsync();
        Assert.Equal(5, worker.Counted);
        Assert.Throws<InvalidOperationException>(worker.Start);
    }

    [Fact]
    public async Task Start_DerivedWithoutOverride_SaysWhatToWrite()
    {
        Empty worker = new();
        worker.Start();
        await worker.JoinAsync();
        Assert.Contains("protected override void Run()", worker.Exception!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Result_BeforeTheEnd_Throws()
    {
        using ManualResetEventSlim finish = new();
        WorkerThread<int> worker = WorkerThread.Start(() =>
        {
            finish.Wait();
            return 1;
        });
        Assert.Throws<InvalidOperationException>(() => worker.Result);
        finish.Set();
        worker.Join();
        Assert.Equal(1, worker.Result);
    }

    private sealed class Empty : WorkerThread;

    private sealed class Counting(int target) : WorkerThread("counter")
    {
        public int Counted { get; private set; }

        protected override void Run()
        {
            Assert.Equal("counter", Current.Name);
            while (Counted < target)
                Counted++;
        }
    }
}

public sealed class CoroutineTests : WorkerContract
{
    protected override Worker Start(Func<Task> function, string? name = null) => Coroutine.Start(function, name);

    protected override Worker Start(Func<string, CancellationToken, Task> function, string argument, string? name = null) => Coroutine.Start(function, argument, name);

    [Fact]
    public async Task Start_Many_ShareOneThread()
    {
        HashSet<int> threads = [];
        int shared = 0;
        Coroutine[] coroutines = [.. Enumerable.Range(0, 200).Select(_ => Coroutine.Start(async () =>
        {
            for (int i = 0; i < 5; i++)
            {
                int before = shared;
                threads.Add(Environment.CurrentManagedThreadId);
                shared = before + 1;
                await Task.Delay(1);
            }
        }))];
        await Coroutine.JoinAllAsync(coroutines);
        Assert.All(coroutines, coroutine => Assert.Equal(WorkerState.Completed, coroutine.State));
        Assert.Single(threads);
        Assert.Equal(1000, shared);
    }

    [Fact]
    public async Task Start_WithArguments_HandsBackTheResult()
    {
        Assert.Equal(42, await Coroutine.Start(Work.AnswerAsync));
        Assert.Equal("a|1|True", await Coroutine.Start(Work.JoinAsync, "a", 1, true));
        Derived derived = new();
        derived.Start();
        await derived;
        Assert.True(derived.Ran);
    }

    [Fact]
    public async Task Blocked_NamesFunctionAndTime()
    {
        TaskCompletionSource<BlockedReport> during = new(), after = new();
        void OnBlocked(BlockedReport report)
        {
            // On a busy machine a turn before that may have taken as long.
            if (report.Running?.Contains(nameof(Inner), StringComparison.Ordinal) == true)
                (report.IsOver ? after : during).TrySetResult(report);
        }

        TimeSpan before = Coroutine.BlockedAfter;
        Coroutine.Blocked += OnBlocked;
        Coroutine.BlockedAfter = TimeSpan.FromMilliseconds(50);
        try
        {
            Coroutine coroutine = Coroutine.Start(BlockInside, during.Task, "rude");
            BlockedReport first = await during.Task.InTime(TimeSpan.FromSeconds(20));
            BlockedReport second = await after.Task.InTime(TimeSpan.FromSeconds(20));
            await coroutine;
            Assert.Equal("rude", first.Coroutine);
            Assert.Contains(nameof(BlockInside), first.Function, StringComparison.Ordinal);
            Assert.Contains(nameof(Inner), first.Running, StringComparison.Ordinal);
            Assert.True(first.Duration >= TimeSpan.FromMilliseconds(50));
            Assert.True(second.Duration >= first.Duration);
            Assert.Contains("rude", second.ToString(), StringComparison.Ordinal);
        }
        finally
        {
            Coroutine.Blocked -= OnBlocked;
            Coroutine.BlockedAfter = before;
        }
    }

    [Fact]
    public void BlockedAfter_Zero_IsRefused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Coroutine.BlockedAfter = TimeSpan.Zero);

    private static async Task BlockInside(Task reported) => await Inner(reported);

    private static async Task Inner(Task reported)
    {
        await Task.Yield();

        // Keeps the thread until it was told on.
        Assert.True(reported.Wait(TimeSpan.FromMinutes(1)));
    }

    private sealed class Derived() : Coroutine("derived")
    {
        public bool Ran { get; private set; }

        protected override async Task RunAsync(CancellationToken cancellationToken)
        {
            await Task.Yield();
            Ran = Current == this;
        }
    }
}

public sealed class WorkerProcessContractTests : WorkerContract
{
    protected override Worker Start(Func<Task> function, string? name = null) => WorkerProcess.Start(function, name);

    protected override Worker Start(Func<string, CancellationToken, Task> function, string argument, string? name = null) => WorkerProcess.Start(function, argument, name);
}
