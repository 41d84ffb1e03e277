using System.Collections.Concurrent;
using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests.Contracts;

/// <summary>What holds for every engine. Differences are the virtual properties, never an engine's name in a test.</summary>
public abstract class PoolContract : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // Disposed of behind all else: functions that nobody can stop may still look for it.
    private readonly Gate lasting = new();

    /// <summary>Whether functions and arguments are the caller's own objects, not copies.</summary>
    protected virtual bool SharesMemoryWithCaller => true;

    /// <summary>Whether a call runs in its caller before <c>RunAsync</c> returns.</summary>
    protected virtual bool RunsInCaller => false;

    /// <summary>Whether any function can be called, and not only those that both sides have registered under a name.</summary>
    protected virtual bool FindsAnyFunction => true;

    /// <summary>How many items a map may take from its source ahead of its consumer.</summary>
    protected virtual int MostReadAhead => 2_100;

    protected abstract Pool CreatePool(int workers, Action? initializer = null);

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        lasting.Dispose();
    }

    [Fact]
    public async Task RunAsync_EveryForm_HandsBackTheResult()
    {
        await using Pool pool = CreatePool(2);
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
        Assert.Equal(14, await pool.RunAsync(Work.Double, 7));
        Assert.Equal(5, await pool.RunAsync(Work.Add, 2, 3));
        Assert.Equal("a|1|True", await pool.RunAsync(Work.Join, "a", 1, true));
        Assert.Equal(42, await pool.RunAsync(Work.AnswerAsync));
        Assert.Equal(14, await pool.RunAsync(Work.DoubleAsync, 7));
        Assert.Equal(5, await pool.RunAsync(Work.AddAsync, 2, 3));
        Assert.Equal("a|1|True", await pool.RunAsync(Work.JoinAsync, "a", 1, true));
        Assert.Equal(1, await pool.RunAsync(Work.OneUnlessCanceled));
        Assert.Equal(4, await pool.RunAsync(Work.DoubleWithToken, 2));
        Assert.Equal(3, await pool.RunAsync(Work.AddWithToken, 1, 2));
        Assert.Equal(6, await pool.RunAsync(Work.AddThreeWithToken, 1, 2, 3));
        Assert.Equal(1, await pool.RunAsync(Work.OneUnlessCanceledAsync));
        Assert.Equal(10, await pool.RunAsync(Work.DoubleWithTokenAsync, 5));
        Assert.Equal(6, await pool.RunAsync(Work.AddWithTokenAsync, 2, 4));
        Assert.Equal(9, await pool.RunAsync(Work.AddThreeWithTokenAsync, 2, 3, 4));
    }

    [Fact]
    public async Task RunAsync_EveryVoidForm_RunsToItsEnd()
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(2);
        await Ran(pool.RunAsync(Work.Throw));
        await Ran(pool.RunAsync(Work.ThrowWithToken));
        await Ran(pool.RunAsync(Work.ThrowAsync));
        await Ran(pool.RunAsync(Work.ThrowWithTokenAsync));
        await pool.RunAsync(Work.Touch, gate.Named("a"));
        await pool.RunAsync(Work.TouchOfTwo, gate.Named("b"), 1);
        await pool.RunAsync(Work.TouchOfThree, gate.Named("c"), 1, 2);
        await pool.RunAsync(Work.TouchWithToken, gate.Named("d"));
        await pool.RunAsync(Work.TouchOfTwoWithToken, gate.Named("e"), 1);
        await pool.RunAsync(Work.TouchOfThreeWithToken, gate.Named("f"), 1, 2);
        await pool.RunAsync(Work.TouchAsync, gate.Named("g"));
        await pool.RunAsync(Work.TouchOfTwoAsync, gate.Named("h"), 1);
        await pool.RunAsync(Work.TouchOfThreeAsync, gate.Named("i"), 1, 2);
        await pool.RunAsync(Work.TouchWithTokenAsync, gate.Named("j"));
        await pool.RunAsync(Work.TouchOfTwoWithTokenAsync, gate.Named("k"), 1);
        await pool.RunAsync(Work.TouchOfThreeWithTokenAsync, gate.Named("l"), 1, 2);
        string[] paths = ["a", "b1", "c12", "d", "e1", "f12", "g", "h1", "i12", "j", "k1", "l12"];
        Assert.All(paths, path => Assert.True(File.Exists(gate.Named(path)), path));

        static async Task Ran(Task call) => Assert.Equal("it ran", (await Assert.ThrowsAsync<FormatException>(() => call)).Message);
    }

    [Fact]
    public async Task RunAsync_CapturedVariables_AreThere()
    {
        await using Pool pool = CreatePool(1);
        int number = 5;
        string text = "abc";
        int[] array = [1, 2, 3];
        if (!FindsAnyFunction)
        {
            UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(() => number + text + array.Sum()); });
            Assert.Contains("captured variables", refused.Message, StringComparison.Ordinal);
            return;
        }

        Assert.Equal("5abc6", await pool.RunAsync(() => number + text + array.Sum()));
        for (int i = 0; i < 3; i++)
        {
            int inner = i;
            Assert.Equal(number + inner, await pool.RunAsync(() => number + inner));
        }
    }

    [Fact]
    public async Task RunAsync_GenericAndLocalFunctions_AreFound()
    {
        await using Pool pool = CreatePool(1);
        Assert.Equal("x", await pool.RunAsync(Work.Same<string>, "x"));
        Assert.Equal(3, (await pool.RunAsync(Work.Same<int[]>, new[] { 1, 2, 3 })).Length);
        Assert.Equal(3, await pool.RunAsync(Generic<int>.Count, new[] { 1, 2, 3 }));
        if (!FindsAnyFunction)
        {
            UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(Square, 3); });
            Assert.Contains("Square", refused.Message, StringComparison.Ordinal);
            Assert.Contains("registered", refused.Message, StringComparison.Ordinal);
            Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync("hello".Contains, "ell"); });
            return;
        }

        Assert.Equal(9, await pool.RunAsync(Square, 3));
        Assert.True(await pool.RunAsync("hello".Contains, "ell"));

        static int Square(int x) => x * x;
    }

    [Fact]
    public async Task RunAsync_LargeArguments_ArriveWhole()
    {
        await using Pool pool = CreatePool(1);
        byte[] large = new byte[20_000_000];
        Random.Shared.NextBytes(large);
        byte[] back = await pool.RunAsync(Work.Same<byte[]>, large);
        Assert.True(large.AsSpan().SequenceEqual(back));
        Assert.Equal("", await pool.RunAsync(Work.Same<string>, ""));
        Assert.Null(await pool.RunAsync(Work.Same<string?>, (string?)null));
    }

    [Fact]
    public async Task RunAsync_ManyCallersAtOnce_EachGetsItsOwnResult()
    {
        await using Pool pool = CreatePool(4);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(caller => Task.Run(async () =>
        {
            for (int i = 0; i < 200; i++)
                Assert.Equal(caller * 1000 + i, await pool.RunAsync(Work.Add, caller * 1000, i));
        })));
    }

    [Fact]
    public async Task RunAsync_MoreCallsThanWorkers_AllEnd()
    {
        await using Pool pool = CreatePool(2);
        int[] results = await Task.WhenAll(Enumerable.Range(0, 2000).Select(i => pool.RunAsync(Work.Double, i)));
        Assert.Equal(Enumerable.Range(0, 2000).Select(i => 2 * i), results);
    }

    [Fact]
    public async Task RunAsync_FunctionThrowsKnownException_ComesBackAsItself()
    {
        await using Pool pool = CreatePool(1);
        InvalidOperationException caught = await Assert.ThrowsAsync<InvalidOperationException>(() => pool.RunAsync(Work.ThrowKnown, 3));
        Assert.Equal("no 3", caught.Message);
        Assert.Contains(nameof(Work.ThrowKnown), caught.ToString(), StringComparison.Ordinal);
        FormatException inner = Assert.IsType<FormatException>(caught.InnerException);
        Assert.Equal("inner", inner.Message);
        KeyNotFoundException later = await Assert.ThrowsAsync<KeyNotFoundException>(() => pool.RunAsync(Work.ThrowLater));
        Assert.Contains(nameof(Work.ThrowLater), later.ToString(), StringComparison.Ordinal);
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
    }

    [Fact]
    public async Task RunAsync_FunctionThrowsOwnException_TellsItsType()
    {
        await using Pool pool = CreatePool(1);
        if (SharesMemoryWithCaller)
        {
            Assert.Equal("mine", (await Assert.ThrowsAsync<OwnException>(() => pool.RunAsync(Work.ThrowOwn))).Message);
            return;
        }

        RemoteException remote = await Assert.ThrowsAsync<RemoteException>(() => pool.RunAsync(Work.ThrowOwn));
        Assert.True(remote.Is<OwnException>());
        Assert.Equal("mine", remote.RemoteMessage);
        Assert.Contains(nameof(Work.ThrowOwn), remote.RemoteStackTrace, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_FunctionThrowsAggregate_KeepsAllInner()
    {
        await using Pool pool = CreatePool(1);
        AggregateException aggregate = await Assert.ThrowsAsync<AggregateException>(() => pool.RunAsync(Work.ThrowAggregate));
        Assert.StartsWith("several", aggregate.Message, StringComparison.Ordinal);
        Assert.Equal(2, aggregate.InnerExceptions.Count);
        Assert.IsType<FormatException>(aggregate.InnerExceptions[0]);
        Assert.Equal(1, aggregate.Message.Split("(one)").Length - 1);
    }

    [Fact]
    public async Task RunAsync_FunctionThrowsCanceledOfItsOwn_IsAFailureNotACancellation()
    {
        await using Pool pool = CreatePool(1);
        Task<int> call = pool.RunAsync(Work.ThrowCanceled);
        await Assert.ThrowsAsync<OperationCanceledException>(() => call);
        Assert.True(call.IsFaulted);
        Assert.Equal(1, pool.Statistics.FailedCalls);
    }

    [Fact]
    public async Task RunAsync_BadInput_ThrowsAtTheCall()
    {
        await using Pool pool = CreatePool(1);
        Assert.Throws<ArgumentNullException>(() => { _ = pool.RunAsync((Func<int>)null!); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = pool.RunAsync(Work.Answer, new CallOptions { Timeout = TimeSpan.FromSeconds(-1) }); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = pool.RunAsync(Work.Answer, new CallOptions { Grace = TimeSpan.FromDays(1000) }); });
        Assert.Throws<ArgumentNullException>(() => { _ = pool.MapAsync(Work.Double, (IEnumerable<int>)null!); });
        Assert.Throws<ArgumentNullException>(() => { _ = pool.MapAsync((Func<int, int>)null!, [1]); });
    }

    [Fact]
    public async Task RunAsync_TokenCancelledBefore_RunsNothing()
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(1);
        Task call = pool.RunAsync(Work.Touch, gate.Path, cancellationToken: new CancellationToken(canceled: true));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.True(call.IsCanceled);
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
        Assert.False(File.Exists(gate.Path));
    }

    [Fact]
    public async Task RunAsync_TokenCancelledWhileRunning_ReachesTheFunction()
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(1);
        using CancellationTokenSource source = new();
        Task<int> call = pool.RunAsync(Work.WaitForever, gate.Path, cancellationToken: source.Token);
        await gate.WaitAsync();
        await source.CancelAsync();
        OperationCanceledException canceled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.InTime(Deadline));
        Assert.Equal(source.Token, canceled.CancellationToken);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
    }

    [Fact]
    public async Task RunAsync_TokenPassedAsArgument_CancelsTheCall()
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(1);
        using CancellationTokenSource source = new();
        Task<int> call = pool.RunAsync(Work.WaitForever, gate.Path, source.Token);
        await gate.WaitAsync();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.InTime(Deadline));
    }

    [Fact]
    public async Task RunAsync_TokenCancelledButFunctionGoesOn_EndsAfterTheGrace()
    {
        Gate gate = lasting;
        await using Pool pool = CreatePool(1);
        using CancellationTokenSource source = new();
        string finish = gate.Named("finish");
        Task<int> call = pool.RunAsync(Work.IgnoreToken, gate.Path, finish, new CallOptions { Grace = TimeSpan.FromMilliseconds(50) }, source.Token);
        await gate.WaitAsync();
        long cancelledAt = Stopwatch.GetTimestamp();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.InTime(Deadline));
        Assert.True(Stopwatch.GetElapsedTime(cancelledAt).TotalMilliseconds >= 40, "too early");
        Assert.InRange(FairClock.Since(cancelledAt).TotalMilliseconds, 0, Deadline.TotalMilliseconds);

        // Until here it would have waited, where it wasn't killed.
        Gate.Open(finish);
    }

    [Fact]
    public async Task RunAsync_TokenCancelledWhileQueued_NeverRuns()
    {
        if (RunsInCaller)
            return;
        using Gate gate = new();
        await using Pool pool = CreatePool(1);
        string finish = gate.Named("finish"), never = gate.Named("never");
        Task<int> first = pool.RunAsync(Work.OpenThenWait, gate.Path, finish);
        await gate.WaitAsync();
        using CancellationTokenSource source = new();
        Task queued = pool.RunAsync(Work.Touch, never, cancellationToken: source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queued.InTime(TimeSpan.FromSeconds(5)));
        Gate.Open(finish);
        await first.InTime(Deadline);
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
        Assert.False(File.Exists(never));
        Assert.Equal(1, pool.Statistics.CanceledCalls);
    }

    [Fact]
    public async Task RunAsync_Timeout_CancelsACooperativeFunction()
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(1);
        await pool.WarmUpAsync(TestContext.Current.CancellationToken);
        long startedAt = Stopwatch.GetTimestamp();
        CallTimeoutException timeout = await Assert.ThrowsAsync<CallTimeoutException>(
            () => pool.RunAsync(Work.WaitForever, gate.Path, new CallOptions { Timeout = TimeSpan.FromMilliseconds(200), Grace = TimeSpan.FromSeconds(20) }).InTime(Deadline));
        Assert.True(Stopwatch.GetElapsedTime(startedAt).TotalSeconds >= 0.19, "too early");
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, 5);
        Assert.Equal(TimeSpan.FromMilliseconds(200), timeout.Limit);
        Assert.Contains(nameof(Work.WaitForever), timeout.Message, StringComparison.Ordinal);
        Assert.Equal(1, pool.Statistics.TimedOutCalls);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
    }

    [Fact]
    public async Task RunAsync_TimeoutOfAFunctionThatGoesOn_EndsAfterTheGrace()
    {
        Gate gate = lasting;
        await using Pool pool = CreatePool(1);
        await pool.WarmUpAsync(TestContext.Current.CancellationToken);
        string finish = gate.Named("finish");
        long startedAt = Stopwatch.GetTimestamp();
        await Assert.ThrowsAsync<CallTimeoutException>(
            () => pool.RunAsync(Work.IgnoreToken, gate.Path, finish, new CallOptions { Timeout = TimeSpan.FromMilliseconds(100), Grace = TimeSpan.FromMilliseconds(50) }).InTime(Deadline));
        Assert.True(Stopwatch.GetElapsedTime(startedAt).TotalSeconds >= 0.14, "too early");
        Assert.InRange(FairClock.Since(startedAt).TotalSeconds, 0, Deadline.TotalSeconds);
        Gate.Open(finish);
    }

    [Fact]
    public async Task RunAsync_TimeoutNotReached_DoesNothing()
    {
        await using Pool pool = CreatePool(1);
        Assert.Equal(42, await pool.RunAsync(Work.AnswerAsync, new CallOptions { Timeout = TimeSpan.FromMinutes(5) }));
        Assert.Equal(42, await pool.RunAsync(Work.AnswerAsync, new CallOptions { Timeout = Timeout.InfiniteTimeSpan }));
    }

    [Fact]
    public async Task RunAsync_Progress_ArrivesInOrderBeforeTheResult()
    {
        await using Pool pool = CreatePool(1);
        ListProgress<int> progress = new();
        Assert.Equal(100, await pool.RunAsync(Work.Report, 100, (IProgress<int>)progress));
        Assert.Equal(Enumerable.Range(0, 100), progress.Values);
    }

    [Fact]
    public async Task MapAsync_KeepsTheOrder()
    {
        await using Pool pool = CreatePool(3);
        List<int> results = await pool.MapAsync(Work.DoubleAfterSomeTime, Enumerable.Range(0, 300)).ToListAsync();
        Assert.Equal(Enumerable.Range(0, 300).Select(x => 2 * x), results);
    }

    [Fact]
    public async Task MapAsync_EveryForm_Works()
    {
        await using Pool pool = CreatePool(2);
        int[] source = [1, 2, 3];
        int[] expected = [2, 4, 6];
        Assert.Equal(expected, await pool.MapAsync(Work.Double, source).ToListAsync());
        Assert.Equal(expected, await pool.MapAsync(Work.DoubleAsync, source).ToListAsync());
        Assert.Equal(expected, await pool.MapAsync(Work.DoubleWithToken, source).ToListAsync());
        Assert.Equal(expected, await pool.MapAsync(Work.DoubleWithTokenAsync, source).ToListAsync());
        Assert.Equal(expected, await pool.MapAsync(Work.Double, source.ToAsyncEnumerable()).ToListAsync());
        Assert.Equal(expected, await pool.MapAsync(Work.DoubleAsync, source.ToAsyncEnumerable()).ToListAsync());
        Assert.Equal(expected, (await pool.MapUnorderedAsync(Work.Double, source).ToListAsync()).Order());
        Assert.Equal(expected, (await pool.MapUnorderedAsync(Work.DoubleAsync, source.ToAsyncEnumerable()).ToListAsync()).Order());
        Assert.Empty(await pool.MapAsync(Work.Double, Array.Empty<int>()).ToListAsync());
        Assert.Empty(await pool.MapUnorderedAsync(Work.Double, Array.Empty<int>()).ToListAsync());
        await pool.ForEachAsync(Work.Ignore, Array.Empty<int>());
    }

    [Fact]
    public async Task MapAsync_EndlessSource_IsReadOnlySomeWayAhead()
    {
        await using Pool pool = CreatePool(2);
        int read = 0;
        int taken = 0;
        await foreach (int result in pool.MapAsync(Work.Double, Endless()))
        {
            Assert.Equal(2 * taken, result);
            if (++taken == 50)
                break;
        }

        Assert.InRange(Volatile.Read(ref read), 50, 50 + MostReadAhead);

        IEnumerable<int> Endless()
        {
            for (int i = 0; ; i++)
            {
                Interlocked.Increment(ref read);
                yield return i;
            }
        }
    }

    [Fact]
    public async Task MapAsync_ConsumerThatStops_HoldsTheSourceBack()
    {
        if (RunsInCaller)
            return;
        await using Pool pool = CreatePool(2);
        int read = 0;
        await using IAsyncEnumerator<int> results = pool.MapAsync(Work.Double, Endless()).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.True(await results.MoveNextAsync());
        int before = -1;

        // The reading ahead comes to rest by itself.
        await Eventually.True(() => Interlocked.Exchange(ref before, Volatile.Read(ref read)) is var last && last == before && before >= 0 && pool.Statistics.RunningCalls + pool.Statistics.QueuedCalls == 0, "the source is left alone");
        Assert.InRange(Volatile.Read(ref read), 1, MostReadAhead);

        IEnumerable<int> Endless()
        {
            for (int i = 0; ; i++)
            {
                Interlocked.Increment(ref read);
                yield return i;
            }
        }
    }

    [Fact]
    public async Task MapAsync_FailingItem_ComesAfterTheResultsBeforeIt()
    {
        await using Pool pool = CreatePool(3);
        List<int> results = [];
        InvalidOperationException failure = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (int result in pool.MapAsync(Work.ThrowOn, Enumerable.Range(0, 1000)))
                results.Add(result);
        });
        Assert.Equal("seven", failure.Message);
        Assert.Equal(Enumerable.Range(0, 7), results);
        Assert.Equal(42, await pool.RunAsync(Work.Answer));
    }

    [Fact]
    public async Task MapAsync_SourceThatThrows_ComesAfterTheResultsBeforeIt()
    {
        await using Pool pool = CreatePool(3);
        List<int> results = [];
        FormatException failure = await Assert.ThrowsAsync<FormatException>(async () =>
        {
            await foreach (int result in pool.MapAsync(Work.Double, Source()))
                results.Add(result);
        });
        Assert.Equal("source", failure.Message);
        Assert.Equal([0, 2, 4], results);

        static IEnumerable<int> Source()
        {
            for (int i = 0; i < 3; i++)
                yield return i;
            throw new FormatException("source");
        }
    }

    [Fact]
    public async Task MapAsync_Cancelled_Ends()
    {
        using Gate gate = new();
        await using Pool pool = CreatePool(2);
        using CancellationTokenSource source = new();
        string path = gate.Path;
        Task map = Task.Run(async () =>
        {
            await foreach (int _ in pool.MapAsync(Work.WaitForever, Enumerable.Repeat(path, 100), cancellationToken: source.Token))
            {
            }
        });
        await gate.WaitAsync();
        await source.CancelAsync();
        OperationCanceledException canceled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => map.InTime(Deadline));
        Assert.Equal(source.Token, canceled.CancellationToken);
        Assert.Equal(42, await pool.RunAsync(Work.Answer).InTime(Deadline));
    }

    [Fact]
    public async Task MapAsync_LeftEarly_LeavesNothingRunning()
    {
        if (RunsInCaller)
            return;
        using Gate gate = new();
        await using Pool pool = CreatePool(2);
        string path = gate.Path;
        await foreach (int _ in pool.MapAsync(Work.WaitForeverIfTold, Enumerable.Range(0, 100).Select(i => i == 0 ? null : path)))
            break;
        Assert.Equal(0, pool.Statistics.RunningCalls);
        Assert.Equal(0, pool.Statistics.QueuedCalls);
    }

    [Fact]
    public async Task MapAsync_OneSlowCall_HoldsUpNoOther()
    {
        if (RunsInCaller)
            return;
        using Gate gate = new();
        await using Pool pool = CreatePool(2);
        string finish = gate.Path;

        // The slow one comes after calls so quick that many are sent ahead; those behind it must still run before it ends.
        List<int> results = [];
        await foreach (int result in pool.MapUnorderedAsync(
            Work.WaitIfTold,
            Enumerable.Range(0, 1001).Select(i => (i, i == 500 ? finish : null))))
        {
            results.Add(result);
            if (results.Count == 1000)
                Gate.Open(finish);
        }

        Assert.Equal(500, results[^1]);
        Assert.Equal(Enumerable.Range(0, 1001), results.Order());
    }

    [Fact]
    public async Task MapUnorderedAsync_YieldsAsTheyCome()
    {
        if (RunsInCaller)
            return;
        using Gate gate = new();
        await using Pool pool = CreatePool(2);
        string finish = gate.Path;
        List<int> order = [];
        await foreach (int result in pool.MapUnorderedAsync(
            Work.WaitIfTold,
            new[] { (0, (string?)finish), (1, null) }))
        {
            order.Add(result);
            Gate.Open(finish);
        }

        Assert.Equal([1, 0], order);
    }

    [Fact]
    public async Task ForEachAsync_FirstFailure_EndsIt()
    {
        await using Pool pool = CreatePool(2);
        InvalidOperationException failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => pool.ForEachAsync(Work.ThrowOnSeven, Enumerable.Range(0, int.MaxValue)).InTime(Deadline));
        Assert.Equal("seven", failure.Message);
    }

    [Fact]
    public async Task DisposeAsync_LetsAcceptedCallsFinish()
    {
        using Gate gate = new();
        ConcurrentBag<Task> calls = [];
        await using (Pool pool = CreatePool(2))
        {
            for (int i = 0; i < 20; i++)
                calls.Add(pool.RunAsync(Work.TouchAsync, gate.Named($"call-{i}")));
        }

        Assert.All(calls, call => Assert.True(call.IsCompletedSuccessfully));
        Assert.Equal(20, gate.Count("call-"));
    }

    [Fact]
    public async Task RunAsync_AfterDispose_Throws()
    {
        Pool pool = CreatePool(1);
        await pool.RunAsync(Work.Answer);
        await pool.DisposeAsync();
        await pool.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => { _ = pool.RunAsync(Work.Answer); });
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await pool.MapAsync(Work.Double, [1]).ToListAsync());
        pool.Kill();
    }

    [Fact]
    public async Task Kill_EndsCallsThatWaitAndRun()
    {
        if (RunsInCaller)
            return;
        using Gate gate = new();
        await using Pool pool = CreatePool(1);
        Task<int> running = pool.RunAsync(Work.WaitForever, gate.Path);
        await gate.WaitAsync();
        Task<int> waiting = pool.RunAsync(Work.Answer);
        pool.Kill();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => running.InTime(Deadline));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.InTime(Deadline));
    }

    [Fact]
    public async Task Initializer_RunsBeforeTheFirstCall()
    {
        using Gate gate = new();
        string path = gate.Path;
        await using Pool pool = CreatePool(1, () => Gate.Open(path));
        Assert.True(await pool.RunAsync(File.Exists, path));
    }

    [Fact]
    public async Task Initializer_ThatThrows_BreaksThePool()
    {
        await using Pool pool = CreatePool(2, static () => throw new InvalidOperationException("not today"));
        PoolBrokenException broken = await Assert.ThrowsAsync<PoolBrokenException>(() => pool.RunAsync(Work.Answer).InTime(Deadline));
        Assert.Contains("not today", broken.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<PoolBrokenException>(() => pool.RunAsync(Work.Answer).InTime(Deadline));
    }

    [Fact]
    public async Task Statistics_CountEveryOutcome()
    {
        await using Pool pool = CreatePool(2);
        await pool.RunAsync(Work.Answer);
        await pool.RunAsync(Work.Answer);
        await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(Work.ThrowOwn));
        PoolStatistics statistics = pool.Statistics;
        Assert.Equal(2, statistics.CompletedCalls);
        Assert.Equal(1, statistics.FailedCalls);
        Assert.Equal(0, statistics.RunningCalls);
        Assert.Equal(0, statistics.QueuedCalls);
        Assert.NotEmpty(statistics.Engine);
    }

    [Fact]
    public async Task RunAsync_DoesNotKeepArgumentsAlive()
    {
        await using Pool pool = CreatePool(1);
        WeakReference argument = await RunWithLargeArgument(pool);
        await pool.RunAsync(Work.Answer);
        await Eventually.True(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return !argument.IsAlive;
            },
            "the argument is collected");

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static async Task<WeakReference> RunWithLargeArgument(Pool pool)
        {
            byte[] argument = new byte[1000];
            await pool.RunAsync(Work.Length, argument);
            return new WeakReference(argument);
        }
    }

    public static class Generic<T>
    {
        public static int Count(T[] items) => items.Length;
    }
}
