using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests.Contracts;

/// <summary>What holds for a thing that others wait for, wherever it is.</summary>
public abstract class SyncContract(SyncSite site) : LeakChecked
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Within which what is disposed of or cancelled ends.</summary>
    protected static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    protected SyncSite Site => site;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await site.StartAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await site.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>A thread of its own, as a reentrant lock needs one.</summary>
    protected static Task OnThread(Action action) => Task.Factory.StartNew(action, Token, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Another thread, which is waited for.</summary>
    protected static void Elsewhere(Action action) => OnThread(action).GetAwaiter().GetResult();

    protected static void NotBefore(TimeSpan time, Action action)
    {
        long startedAt = Stopwatch.GetTimestamp();
        action();
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
    }

    protected static async Task NotBeforeAsync(TimeSpan time, Func<Task> action)
    {
        long startedAt = Stopwatch.GetTimestamp();
        await action();
        Assert.True(Stopwatch.GetElapsedTime(startedAt) >= time);
    }
}
