using System.Globalization;
using ManyHands.Memory;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>A process without a free descriptor can't look whether others live. It takes nothing from them: that it can't tell is no proof of a death.</summary>
public sealed class DescriptorShortageTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>Several times what a waiter sleeps before it first looks whether those live that it waits for.</summary>
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(70);

    private static DescriptorHoard? hoarded;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task LivingHolders_KeepWhatTheyHave_AndTheDeadDont()
    {
        using Belongings living = new();
        using Belongings dead = new();
        using SharedEvent looked = new();
        using SharedEvent died = new();
        using SharedEvent noticed = new();
        using SharedEvent released = new();
        using SharedBarrier barrier = new(3);
        (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>();
        (SharedPipeEnd<int> widow, SharedPipeEnd<int> victims) = SharedPipe.CreateSimplex<int>();
        SharedLock.Scope scope = Hold(living);
        using QueueLease<int> lease = living.Queue.Lease();
        WorkerProcess victim = WorkerProcess.Start(HoldForEver, dead, victims);
        await using WorkerProcess<string> starving = WorkerProcess.Start(Starve, new Needs(living, dead, receiver, widow, barrier), new Turns(looked, died, noticed, released));
        receiver.Dispose();
        widow.Dispose();

        // Both wait there until it is known that nobody took this process for dead.
        Task<BarrierPassage> first = Task.Run(() => barrier.SignalAndWait(token: Token), Token);
        await Eventually.True(() => looked.IsSet || starving.State == WorkerState.Completed || starving.State == WorkerState.Faulted, "it has looked", Deadline.TotalSeconds);
        await Eventually.True(() => dead.Queue.LeasedCount == 1, "the victim has all", Deadline.TotalSeconds);
        victims.Dispose();
        victim.Kill();
        await victim.JoinAsync(Token);
        await victim.DisposeAsync();
        died.Set();
        await Eventually.True(() => noticed.IsSet || barrier.Waiting == 2 || barrier.IsBroken, "it has noticed", Deadline.TotalSeconds);
        await Eventually.True(() => barrier.Waiting == 2 || barrier.IsBroken, "it waits at the barrier", Deadline.TotalSeconds);
        await Task.Delay(2 * Glance, Token);
        Assert.False(barrier.IsBroken);
        barrier.SignalAndWait(token: Token);
        await first;
        scope.Dispose();
        living.Semaphore.Release();
        lease.Abandon();
        sender.Send(7, Token);
        released.Set();
        Assert.True(await starving.JoinAsync(Deadline, Token));
        Assert.Equal("", await starving);
        sender.Dispose();
    }

    /// <summary>With so few that a name's file can be opened, and what says whether its owner lives can't.</summary>
    [Fact]
    public async Task LivingOwners_KeepTheirNames()
    {
        string name = $"test {Guid.NewGuid()}";
        using SharedValue<int> value = SharedObject.Create(name, static () => new SharedValue<int>(7));
        await using (WorkerProcess<string> starving = WorkerProcess.Start(OpenWithFew, name))
        {
            Assert.True(await starving.JoinAsync(Deadline, Token));
            Assert.Equal("opened", await starving);
        }

        using SharedValue<int> same = SharedObject.Open<SharedValue<int>>(name);
        Assert.Equal(7, same.Value);
    }

    /// <summary>What is too large for a ring comes as a descriptor. Where none is free that is refused, and costs no worker; afterwards it comes.</summary>
    [Fact]
    public async Task LargePayloads_AreRefused_AndBlameNoWorker()
    {
        await using WorkerProcess<string> parent = WorkerProcess.Start(ReceiveWithout);
        Assert.True(await parent.JoinAsync(Deadline, Token));
        string outcomes = await parent;
        Assert.True(outcomes.Length == 0, outcomes);
    }

    /// <summary>A thread takes descriptors for its start, so the one that timeouts need is there as long as there are workers.</summary>
    [Fact]
    public async Task Timeouts_AreKept_ByThoseWhoHadNoneForLong()
    {
        await using WorkerProcess<string> parent = WorkerProcess.Start(TimeOutWithout);
        Assert.True(await parent.JoinAsync(Deadline, Token));
        Assert.Equal("timed out, timed out, by the same", await parent);
    }

    /// <summary>What nobody foresaw comes when there is nothing left, and what tells of it may not even be loaded then.</summary>
    [Fact]
    public async Task FirstReport_OfWhatNobodyForesaw_ThrowsNothing()
    {
        await using WorkerProcess<string> child = WorkerProcess.Start(ReportWithout);
        Assert.True(await child.JoinAsync(Deadline, Token));
        Assert.Equal("", await child);
    }

    private static async Task<string> TimeOutWithout()
    {
        CallOptions limited = new() { Timeout = TimeSpan.FromMilliseconds(50), Grace = Deadline };
        await using Pool pool = Pool.Processes(1);
        int worker = await pool.RunAsync(ProcessId);
        string first = await OutcomeAsync(() => pool.RunAsync(DozeUntilCanceled, limited));
        Thread.Sleep(3 * IdleThreads.Time);
        using (new DescriptorHoard())
        {
            string later = await OutcomeAsync(() => pool.RunAsync(DozeUntilCanceled, limited));
            string worked = await pool.RunAsync(ProcessId) == worker ? "by the same" : "by another";
            return $"{first}, {later}, {worked}";
        }
    }

    private static int DozeUntilCanceled(CancellationToken token)
    {
        token.WaitHandle.WaitOne();
        token.ThrowIfCancellationRequested();
        return 0;
    }

    private static string ReportWithout()
    {
        // Its own code is loaded; that of the report isn't.
        using (DescriptorHoard warm = new())
            warm.Leave(1);
        using DescriptorHoard hoard = new();
        try
        {
            InternalFaults.Report(GuardedEntry.Deadlines, "nothing", new InvalidOperationException("On order."));
            return "";
        }
        catch (Exception failure)
        {
            return failure.ToString();
        }
    }

    private static async Task<string> ReceiveWithout()
    {
        const int Large = 200_000;
        await using Pool pool = Pool.Processes(1, new() { Transport = WorkerTransport.SharedMemory, SentAhead = 4 });
        List<string> wrong = [];
        int worker = await pool.RunAsync(ProcessId);
        wrong.Add(await OutcomeAsync(() => pool.RunAsync(Make, 10)));
        using (DescriptorHoard hoard = new())
        {
            wrong.Add(await OutcomeAsync(() => pool.RunAsync(Make, Large)));
            wrong.Add(await OutcomeAsync(() => pool.RunAsync(Make, 2 * Large)));
            hoard.Leave(1);
            wrong.Add(await OutcomeAsync(() => pool.RunAsync(Make, 3 * Large)));
        }

        for (int i = 1; i < 5; i++)
            wrong.Add(await OutcomeAsync(() => pool.RunAsync(Make, i * Large)));

        // The other way: the worker has none. All code that it runs then is loaded before.
        wrong.Add(await OutcomeAsync(() => pool.RunAsync(Count, new byte[4 * Large])));
        await pool.RunAsync(Hoard, true);
        await pool.RunAsync(Hoard, false);
        await pool.RunAsync(Hoard, true);
        wrong.Add(await OutcomeAsync(() => pool.RunAsync(Count, new byte[10 * Large])));
        wrong.Add(await OutcomeAsync(() => pool.RunAsync(Count, new byte[20 * Large])));
        wrong.Add(await OutcomeAsync(() => CountAllAsync(pool, 4, Large / 2)));
        await pool.RunAsync(Hoard, false);
        wrong.Add(await OutcomeAsync(() => CountAllAsync(pool, 4, Large / 2)));
        for (int i = 1; i < 8; i++)
            wrong.Add(await OutcomeAsync(() => pool.RunAsync(Count, new byte[i * Large])));
        if (await pool.RunAsync(ProcessId) != worker || pool.Statistics.WorkersLost > 0)
            wrong.Add("the worker was replaced");
        string[] expected = ["10", "refused", "refused", $"{3 * Large}", .. Enumerable.Range(1, 4).Select(static i => $"{i * Large}"), $"{4 * Large}", "refused", "refused", "refused", $"{4 * (Large / 2)}", .. Enumerable.Range(1, 7).Select(static i => $"{i * Large}")];
        return wrong.SequenceEqual(expected) ? "" : string.Join(", ", wrong);
    }

    private static async Task<string> OutcomeAsync<T>(Func<Task<T>> call)
    {
        try
        {
            object? result = await call();
            return $"{(result as byte[])?.Length ?? result}";
        }
        catch (UnsendableCallException refusal) when (refusal.Message.Contains("(ulimit -n)", StringComparison.Ordinal))
        {
            return "refused";
        }
        catch (CallTimeoutException)
        {
            return "timed out";
        }
        catch (Exception failure)
        {
            return failure.ToString();
        }
    }

    private static async Task<int> CountAllAsync(Pool pool, int count, int length)
    {
        int all = 0;
        await foreach (int one in pool.MapAsync(Count, Enumerable.Range(0, count).Select(_ => new byte[length])))
            all += one;
        return all;
    }

    private static int ProcessId() => Environment.ProcessId;

    private static byte[] Make(int length) => new byte[length];

    private static int Count(byte[] bytes) => bytes.Length;

    private static void Hoard(bool begins)
    {
        hoarded?.Dispose();
        hoarded = begins ? new() : null;
    }

    private static SharedLock.Scope Hold(Belongings all)
    {
        SharedLock.Scope scope = all.Lock.Enter();
        all.Semaphore.Wait();
        all.Queue.Enqueue(5);
        return scope;
    }

    private static void HoldForEver(Belongings all, SharedPipeEnd<int> sender)
    {
        Hold(all);
        GC.KeepAlive(all.Queue.Lease());
        Thread.Sleep(Timeout.Infinite);
        GC.KeepAlive(sender);
    }

    private static string Starve(Needs needs, Turns turns)
    {
        // Once with descriptors, so that all code is loaded that the other looks run.
        List<string> wrong = [.. Taken(needs.Living, needs.Receiver, Glance).Select(static what => what + " at first")];
        using (DescriptorHoard hoard = new())
        {
            wrong.AddRange(Taken(needs.Living, needs.Receiver, Glance));
            turns.Looked.Set();
            turns.Died.Wait();
            TimeSpan most = TimeSpan.FromSeconds(5);
            string[] inherited = [.. Taken(needs.Dead, needs.Widow, most)];
            if (inherited is not ["lock, abandoned", "permit", "lease", "pipe"])
                wrong.Add($"of a dead one's only {string.Join(", ", inherited)}");
            turns.Noticed.Set();
            try
            {
                needs.Barrier.SignalAndWait();
            }
            catch (BrokenBarrierException)
            {
                wrong.Add("barrier");
            }
        }

        turns.Released.Wait();
        string[] free = [.. Taken(needs.Living, needs.Receiver, Deadline)];
        if (free is not ["lock", "permit", "lease"])
            wrong.Add($"in the end only {string.Join(", ", free)}");
        return string.Join(", ", wrong);
    }

    private static IEnumerable<string> Taken(Belongings all, SharedPipeEnd<int> receiver, TimeSpan time)
    {
        if (all.Lock.TryEnter(time, out SharedLock.Scope scope))
        {
            yield return scope.WasAbandoned ? "lock, abandoned" : "lock";
            scope.Dispose();
        }

        if (all.Semaphore.TryWait(time))
            yield return "permit";
        if (all.Queue.TryDequeue(out _, time))
            yield return "lease";
        if (IsAtItsEnd(receiver, time))
            yield return "pipe";
    }

    private static bool IsAtItsEnd(SharedPipeEnd<int> receiver, TimeSpan time)
    {
        try
        {
            receiver.TryReceive(out _, time);
            return false;
        }
        catch (Exception end) when (end is EndOfStreamException or PipeBrokenException)
        {
            return true;
        }
    }

    private static string OpenWithFew(string name)
    {
        Func<string>[] ways =
        [
            () => Opened(() => SharedObject.TryOpenIn(Fresh(), name, out SharedValue<int>? value) ? value : throw new InvalidOperationException("there is no such name any more")),
            () => Opened(() => SharedObject.OpenOrCreateIn(Fresh(), name, static () => new SharedValue<int>(1))),
            () => SharedObject.TryOpenIn(Fresh(), name + " of another", out SharedValue<int>? value) ? "another" : "opened",
        ];
        foreach (Func<string> way in ways)
            way();
        string last = "";
        using DescriptorHoard hoard = new();
        for (int free = 0; free < 12; free++)
        {
            foreach (Func<string> way in ways)
            {
                hoard.Leave(free);
                try
                {
                    last = way();
                    if (last != "opened")
                        return string.Create(CultureInfo.InvariantCulture, $"With {free} descriptors: {last}");
                }
                catch (IOException refusal) when (refusal is not (SharedNameException or SharedObjectLostException or CorruptSharedMemoryException))
                {
                    last = refusal.Message;
                }
            }
        }

        return last;

        // Each sweeps on its own.
        static NameDirectory Fresh() => new(NameDirectory.Own.Location);

        static string Opened(Func<SharedValue<int>> open)
        {
            using SharedValue<int> value = open();
            return value.Value == 7 ? "opened" : $"a new one, with {value.Value}";
        }
    }

    internal sealed record Belongings : IDisposable
    {
        public SharedLock Lock { get; init; } = new();

        public SharedSemaphore Semaphore { get; init; } = new(1, 1);

        public SharedQueue<int> Queue { get; init; } = new();

        public void Dispose()
        {
            Lock.Dispose();
            Semaphore.Dispose();
            Queue.Dispose();
        }
    }

    internal sealed record Needs(Belongings Living, Belongings Dead, SharedPipeEnd<int> Receiver, SharedPipeEnd<int> Widow, SharedBarrier Barrier);

    internal sealed record Turns(SharedEvent Looked, SharedEvent Died, SharedEvent Noticed, SharedEvent Released);
}
