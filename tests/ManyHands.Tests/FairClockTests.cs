using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests;

/// <summary>The clock that promises of the library are measured by.</summary>
public sealed class FairClockTests
{
    [Fact]
    public async Task GoesOn_AndIsNeverAheadOfTheOrdinaryClock()
    {
        long startedAt = Stopwatch.GetTimestamp();
        for (int i = 0; i < 10; i++)
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
            TimeSpan now = FairClock.Since(startedAt);
            Assert.InRange(now, TimeSpan.Zero, Stopwatch.GetElapsedTime(startedAt) + TimeSpan.FromMilliseconds(1));
        }

        while (FairClock.Since(startedAt) < TimeSpan.FromMilliseconds(30))
            await Task.Delay(5, TestContext.Current.CancellationToken);
    }

    /// <summary>With eight that want each processor, a second takes some.</summary>
    [Fact]
    public async Task PassesSlowly_WhereManyWantToRun()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("Only Linux says how many want to run.");
        bool over = false;
        Thread[] busy = [.. Enumerable.Range(0, 8 * Environment.ProcessorCount).Select(_ => new Thread(() => { while (!Volatile.Read(ref over)) { } }))];
        foreach (Thread thread in busy)
            thread.Start();
        long startedAt = Stopwatch.GetTimestamp();
        await Task.Delay(400, TestContext.Current.CancellationToken);
        TimeSpan passed = FairClock.Since(startedAt), ordinary = Stopwatch.GetElapsedTime(startedAt);
        Volatile.Write(ref over, true);
        Assert.All(busy, thread => thread.Join());
        Assert.True(passed < ordinary / 2, $"{passed} of {ordinary}");
    }

    [Fact]
    public async Task InTime_HandsOnWhatTheTaskEndsWith_OrGivesUp()
    {
        Assert.Equal(5, await Task.FromResult(5).InTime(TimeSpan.Zero));
        await Assert.ThrowsAsync<InvalidOperationException>(() => Task.FromException(new InvalidOperationException()).InTime(TimeSpan.FromSeconds(5)));
        await Assert.ThrowsAsync<TimeoutException>(() => new TaskCompletionSource().Task.InTime(TimeSpan.FromMilliseconds(30)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new TaskCompletionSource().Task.InTime(TimeSpan.FromSeconds(5), new CancellationToken(canceled: true)));
    }
}
