using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>An object and its lock, which travel together.</summary>
public sealed class SharedGuardedTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Workers_CountUnderTheLockOfTheArray()
    {
        const int Each = 5000;
        await using Pool pool = Pool.Processes(2);
        using SharedGuarded<SharedArray<int>> counts = SharedGuarded.Create(new SharedArray<int>(2));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => pool.RunAsync(GuardedWork.Count, counts, Each))).InTime(Deadline, Token);
        using SharedGuarded<SharedArray<int>>.Hold hold = await counts.EnterAsync(Token);
        Assert.Equal([4 * Each, -4 * Each], hold.Content.Span.ToArray());
        Assert.False(hold.WasAbandoned);
    }

    [Fact]
    public async Task Holder_Killed_TheNextIsTold_AndNobodyElseGetsInMeanwhile()
    {
        using SharedGuarded<SharedArray<int>> guarded = SharedGuarded.Create(new SharedArray<int>(2));
        await using WorkerProcess holder = WorkerProcess.Start(GuardedWork.HoldHalfChanged, guarded);
        await Eventually.True(() => guarded.Content[0] == 1, "it is half changed");
        Assert.False(guarded.TryEnter(TimeSpan.FromMilliseconds(50), out _, Token));
        holder.Kill();
        Assert.True(guarded.TryEnter(Deadline, out SharedGuarded<SharedArray<int>>.Hold hold, Token));
        Assert.True(hold.WasAbandoned);
        Assert.Equal([1, 0], hold.Content.Span.ToArray());
        hold.Dispose();
        hold.Dispose();
        Assert.False(guarded.Enter(Token).WasAbandoned);
    }

    /// <summary>Of what travels by value each process has its own, which the lock of all guards from nobody.</summary>
    [Fact]
    public void Copies_AreRefused()
    {
        Refuse(new List<int>());
        Refuse(new int[3]);
        Refuse("text");
        Refuse(new Counted(new SharedArray<int>(1)));
        Refuse(new Mixed(new SharedArray<int>(1), []));
        Refuse(new Replaceable { Array = new SharedArray<int>(1) });
        Refuse(new Tuple<int, string>(1, "constants only"));
        using SharedLock entered = new();
        Assert.Throws<InvalidOperationException>(() => new SharedGuarded<List<int>>([], entered).Enter(Token));
        Assert.False(entered.IsHeldHere);

        static void Refuse<T>(T content)
            where T : class
        {
            ArgumentException refusal = Assert.Throws<ArgumentException>(() => SharedGuarded.Create(content));
            Assert.Contains("by value", refusal.Message, StringComparison.Ordinal);
            (typeof(T).GetProperty("Array")?.GetValue(content) as IDisposable)?.Dispose();
        }
    }

    [Fact]
    public async Task Records_OfSharedObjects_AreGuarded()
    {
        using SharedArray<int> first = new(1);
        using SharedValue<long> second = new();
        using SharedGuarded<Several> guarded = SharedGuarded.Create(new Several(first, new("inner", second)));
        await using (WorkerProcess worker = WorkerProcess.Start(static (SharedGuarded<Several> guarded) =>
        {
            using SharedGuarded<Several>.Hold hold = guarded.Enter();
            hold.Content.First[0] = 3;
            hold.Content.Inner.Second.Value = 4;
        }, guarded))
        {
            Assert.True(await worker.JoinAsync(Deadline, Token));
        }

        Assert.Equal((3, 4L), (first[0], second.Value));
    }

    internal sealed record Several(SharedArray<int> First, Inner Inner);

    internal sealed record Inner(string Name, SharedValue<long> Second);

    internal sealed record Counted(SharedArray<int> Array)
    {
        public int Count { get; set; }
    }

    internal sealed record Mixed(SharedArray<int> Array, List<int> More);

    internal sealed record Replaceable
    {
        public required SharedArray<int> Array { get; set; }
    }

    [Fact]
    public void Disposal_EndsBoth()
    {
        SharedGuarded<SharedArray<int>> guarded = SharedGuarded.Create(new SharedArray<int>(2));
        guarded.Dispose();
        Assert.Throws<ObjectDisposedException>(() => guarded.Enter(Token));
        Assert.Throws<ObjectDisposedException>(() => guarded.Content[0]);
        Assert.Throws<ArgumentNullException>(() => SharedGuarded.Create<SharedArray<int>>(null!));
    }
}

/// <summary>What workers do with a guarded array.</summary>
internal static class GuardedWork
{
    public static void Count(SharedGuarded<SharedArray<int>> counts, int times)
    {
        for (int i = 0; i < times; i++)
        {
            using SharedGuarded<SharedArray<int>>.Hold hold = counts.Enter();
            hold.Content[0]++;
            hold.Content[1]--;
        }
    }

    public static void HoldHalfChanged(SharedGuarded<SharedArray<int>> guarded)
    {
        using SharedGuarded<SharedArray<int>>.Hold hold = guarded.Enter();
        hold.Content[0] = 1;
        Thread.Sleep(Timeout.Infinite);
    }
}
