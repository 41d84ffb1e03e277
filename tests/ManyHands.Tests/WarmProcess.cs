using ManyHands.Platform;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests;

/// <summary>
/// What .NET makes once per process and keeps, such as its socket engine, is made before the first count of what a test leaves behind. And the library's own
/// service threads don't stay a second each time, or every test would wait for them.
/// </summary>
public sealed class WarmProcess : IAsyncLifetime
{
    public async ValueTask InitializeAsync()
    {
        FairClock.Start();

        // The console duplicates its descriptors when first used.
        Console.Error.Flush();
        Console.Out.Flush();
        IdleThreads.Time = TimeSpan.FromMilliseconds(50);
        await using Pool pool = Pool.Processes(1);
        await pool.RunAsync(Work.Answer);
        await using Pool portable = Pool.Processes(1, new() { Portable = true });
        await portable.RunAsync(Work.Answer);
    }

    public ValueTask DisposeAsync() => default;
}
