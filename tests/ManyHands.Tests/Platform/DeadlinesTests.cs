using System.Diagnostics;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Platform;

public sealed class DeadlinesTests : LeakChecked
{
    [Fact]
    public async Task After_CallsBack_NotEarly_InOrder()
    {
        List<int> order = [];
        TaskCompletionSource<TimeSpan> last = new();
        long startedAt = Stopwatch.GetTimestamp();
        Deadlines.After(TimeSpan.FromMilliseconds(400), () => { order.Add(2); last.SetResult(Stopwatch.GetElapsedTime(startedAt)); });
        Deadlines.After(TimeSpan.FromMilliseconds(20), () => order.Add(1));
        Deadline never = Deadlines.After(TimeSpan.FromMilliseconds(30), () => order.Add(99));
        never.Cancel();
        Assert.True(await last.Task.InTime(TimeSpan.FromSeconds(20)) >= TimeSpan.FromMilliseconds(400));
        Assert.Equal([1, 2], order);
    }

    [Fact]
    public async Task After_NeedsNoThreadOfThePool()
    {
        using ManualResetEventSlim release = new();
        ThreadPool.GetMinThreads(out int workers, out _);
        Task[] blockers = [.. Enumerable.Range(0, workers + 20).Select(_ => Task.Run(release.Wait))];
        using ManualResetEventSlim fired = new();
        Deadlines.After(TimeSpan.FromMilliseconds(10), fired.Set);
        Assert.True(fired.Wait(TimeSpan.FromMinutes(1)));
        release.Set();
        await Task.WhenAll(blockers);
    }

    [Fact]
    public async Task Keep_TheThreadStays()
    {
        using IDisposable kept = Deadlines.Keep();
        int thread = await ThreadOfNextAsync();
        await Task.Delay(5 * IdleThreads.Time, TestContext.Current.CancellationToken);
        Assert.Equal(thread, await ThreadOfNextAsync());
    }

    [Fact]
    public void After_ManyCancelled_KeepsNoMemory()
    {
        // One far away keeps the queue alive, as a long timeout would.
        Deadline far = Deadlines.After(TimeSpan.FromHours(1), static () => { });
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 1_000_000; i++)
            Deadlines.After(TimeSpan.FromHours(2), static () => { }).Cancel();
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 5_000_000);
        far.Cancel();
    }

    private static async Task<int> ThreadOfNextAsync()
    {
        TaskCompletionSource<int> thread = new();
        Deadlines.After(TimeSpan.FromMilliseconds(1), () => thread.SetResult(Environment.CurrentManagedThreadId));
        return await thread.Task.InTime(TimeSpan.FromSeconds(20));
    }
}
