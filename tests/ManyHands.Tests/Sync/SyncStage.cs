#if DEBUG
using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Tests.Faults;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>What a process does that meets a fault, what the others do meanwhile, and what has to hold.</summary>
internal abstract record SyncScenario(string Name)
{
    /// <summary>The steps that the victim comes by each time.</summary>
    public abstract IEnumerable<FaultStep> Steps { get; }

    /// <summary>Fails if something doesn't hold.</summary>
    public abstract Task RunAsync(SyncStage stage);
}

/// <summary>What the victim says if it lives.</summary>
internal sealed record VictimReport(bool FaultIsDue, FaultStep[] Steps);

/// <summary>One run of a scenario: its victim, a child process, and the fault that it meets.</summary>
internal sealed class SyncStage(Pool pool, int victim, FaultPlan plan)
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    /// <summary>Well above the 200 ms after which a waiter has found out about a death.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(3);
    public static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(25);

    private Task<VictimReport>? call;
    private bool isContinued;

    public Pool Pool => pool;

    public FaultPlan Plan => plan;

    public FaultStep? Step => plan.Step;

    public bool Kills => Step is not null && plan.Fault == Fault.Kill;

    public bool Stops => Step is not null && plan.Fault == Fault.Stop && !isContinued;

    /// <summary>Whether the victim is dead or stands still. Of a delay nobody knows.</summary>
    public bool HasHappened => (Kills && call?.IsCompleted == true) || (Stops && ProcessInventory.IsStopped(victim));

    public bool IsAt(params FaultStep[] steps) => Step is { } step && steps.Contains(step);

    public void Begin(Task<VictimReport> started) => call = started;

    /// <summary>Until the victim has come so far, or its fault has happened.</summary>
    public Task UntilAsync(Func<bool> ready, string what) => Eventually.True(() => ready() || HasHappened || call!.IsFaulted, what, Deadline.TotalSeconds);

    /// <summary>Until the fault has happened, if it can be seen.</summary>
    public async Task MeetAsync()
    {
        if (Kills)
            Assert.Equal(9, (await Assert.ThrowsAsync<WorkerCrashedException>(() => call!.InTime(Deadline))).Signal);
        else if (Stops)
            await Eventually.True(() => ProcessInventory.IsStopped(victim) || call!.IsCompleted, "the fault happens", Deadline.TotalSeconds);
        Assert.True(!Stops || ProcessInventory.IsStopped(victim), "the fault didn't happen");
    }

    public void Continue()
    {
        if (Stops)
            SharedObjectFaults.Continue(victim);
        isContinued = true;
    }

    /// <summary>What the victim says at its end; nothing of a dead one.</summary>
    public async Task<VictimReport?> EndAsync()
    {
        Continue();
        if (Kills)
            return null;
        VictimReport report = await call!.InTime(Deadline);
        Assert.False(report.FaultIsDue, "the fault didn't happen");
        return report;
    }

    /// <summary>After a failure: the victim isn't left standing.</summary>
    public void GiveUp() => SharedObjectFaults.Continue(victim);

    /// <summary>On a thread of its own.</summary>
    public static Task<T> Run<T>(Func<T> action) => Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public static async Task<T> InBound<T>(Task<T> task, string what)
    {
        try
        {
            return await task.InTime(Bound);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{what} took longer than {Bound.TotalSeconds} s.");
        }
    }

    public static async Task NotYet(Task task, string what)
    {
        await Task.WhenAny(task, Task.Delay(Glance));
        Assert.False(task.IsCompleted, what);
    }
}

/// <summary>The victim's side.</summary>
internal static class SyncVictim
{
    private static readonly TimeSpan DelayTime = TimeSpan.FromMilliseconds(120);

    public static VictimReport Suffer(FaultPlan plan, Action action)
    {
        bool isDue;
        FaultPoint.StartTrace();
        plan.Arm(DelayTime);
        try
        {
            action();
        }
        finally
        {
            isDue = FaultPoint.IsArmed;
            FaultPoint.Disarm();
        }

        return new VictimReport(isDue, [.. FaultPoint.EndTrace().Keys]);
    }

    public static void Until(Func<bool> condition, string what)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(startedAt) > SyncStage.Deadline)
                throw new TimeoutException($"Not in time: {what}");
            Thread.Sleep(1);
        }
    }
}
#endif
