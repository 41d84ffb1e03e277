using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Pools;

public sealed class InlinePoolTests : PoolContract
{
    protected override bool SharesMemoryWithCaller => false;

    protected override bool RunsInCaller => true;

    protected override Pool CreatePool(int workers, Action? initializer = null) => Pool.Inline(new() { Initializer = initializer });

    [Fact]
    public async Task RunAsync_CapturedArray_IsACopy()
    {
        await using Pool pool = CreatePool(1);
        int[] numbers = [1];
        Assert.Equal(5, await pool.RunAsync(() => numbers[0] = 5));
        Assert.Equal(1, numbers[0]);
    }
}

public sealed class ThreadPoolTests : PoolContract
{
    protected override Pool CreatePool(int workers, Action? initializer = null) => Pool.Threads(workers, new() { Initializer = initializer });

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1_000_000)]
    public void Threads_BadNumberOfWorkers_IsRefused(int workers) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Pool.Threads(workers));

    [Fact]
    public async Task RunAsync_BlockingCalls_RunBesideEachOther()
    {
        await using Pool pool = CreatePool(4);
        using Barrier barrier = new(4);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => pool.RunAsync(() => { Assert.True(barrier.SignalAndWait(TimeSpan.FromMinutes(1))); })));
    }

    [Fact]
    public async Task RunAsync_Current_IsThePoolsThread()
    {
        await using Pool pool = CreatePool(1);
        string name = await pool.RunAsync(static () => Worker.Current.Name);
        Assert.Equal(pool.Statistics.Workers[0].Name, name);
        Assert.Equal("MainThread", Worker.Current.Name);
    }
}

public sealed class CoroutinePoolTests : PoolContract
{
    protected override Pool CreatePool(int workers, Action? initializer = null) => Pool.Coroutines(workers, new() { Initializer = initializer });

    [Fact]
    public async Task RunAsync_AllCalls_ShareOneThread()
    {
        await using Pool pool = CreatePool(10);
        int[] threads = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => pool.RunAsync(static async () =>
        {
            int before = Environment.CurrentManagedThreadId;
            await Task.Delay(1);
            Assert.Equal(before, Environment.CurrentManagedThreadId);
            return before;
        })));
        Assert.Single(threads.Distinct());
    }

    [Fact]
    public async Task RunAsync_NeverMoreUnderWayThanWorkers()
    {
        await using Pool pool = CreatePool(3);
        int now = 0, most = 0;
        TaskCompletionSource full = new();
        await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => pool.RunAsync(async () =>
        {
            most = Math.Max(most, ++now);
            if (now == 3)
                full.TrySetResult();
            await full.Task.InTime(TimeSpan.FromSeconds(20));
            await Task.Delay(1);
            now--;
        })));
        Assert.Equal(3, most);
    }
}

public sealed class ProcessPoolTests : PoolContract
{
    /// <summary>Of items that take next to no time, some milliseconds' worth is read ahead.</summary>
    public const int MostBriefItemsAhead = 16 * 1024 + 2048;

    protected override bool SharesMemoryWithCaller => false;

    protected override int MostReadAhead => MostBriefItemsAhead;

    protected override Pool CreatePool(int workers, Action? initializer = null) => Pool.Processes(workers, new() { Initializer = initializer });
}

/// <summary>Workers started as ever, but reached through sockets.</summary>
public sealed class SocketProcessPoolTests : PoolContract
{
    protected override bool SharesMemoryWithCaller => false;

    protected override int MostReadAhead => ProcessPoolTests.MostBriefItemsAhead;

    protected override Pool CreatePool(int workers, Action? initializer = null) => Pool.Processes(workers, new() { Initializer = initializer, Transport = WorkerTransport.Sockets });
}

/// <summary>The way to start and reach workers that other platforms take, run here.</summary>
public sealed class PortableProcessPoolTests : PoolContract
{
    protected override bool SharesMemoryWithCaller => false;

    protected override int MostReadAhead => ProcessPoolTests.MostBriefItemsAhead;

    protected override Pool CreatePool(int workers, Action? initializer = null) => Pool.Processes(workers, new() { Initializer = initializer, Portable = true });
}

public sealed class ContractCoverageTests
{
    /// <summary>An engine without the contract is a failing test, so that the next engine can't be forgotten.</summary>
    [Fact]
    public void EveryEngine_InheritsTheContract()
    {
        Dictionary<string, Type> expected = new()
        {
            ["InlinePool"] = typeof(InlinePoolTests),
            ["ThreadedPool"] = typeof(ThreadPoolTests),
            ["CoroutinePool"] = typeof(CoroutinePoolTests),
            ["ProcessPool"] = typeof(ProcessPoolTests),
            ["RemotePool"] = typeof(Managers.RemotePoolTests),
        };
        string[] engines = [.. typeof(Pool).Assembly.GetTypes().Where(type => type.BaseType == typeof(Pool)).Select(type => type.Name)];
        Assert.Equal(expected.Keys.Order(), engines.Order());
        Assert.All(expected.Values, tests => Assert.True(tests.IsSubclassOf(typeof(PoolContract))));
    }
}
