using System.Diagnostics;
using Xunit;

namespace ManyHands.Tests;

/// <summary>After each test: no child, descriptor or thread of the library's is left over.</summary>
public abstract class LeakChecked : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private ProcessInventory before = null!;

    public virtual ValueTask InitializeAsync()
    {
        before = ProcessInventory.Take();
        return default;
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        long startedAt = Stopwatch.GetTimestamp();
        while (true)
        {
            string left = ProcessInventory.Take().Beyond(before);
            if (left.Length == 0)
                return;
            if (FairClock.Since(startedAt) > Patience)
                Assert.Fail($"Left over {Patience.TotalSeconds} s after the test: {left}");
            GC.Collect();
            GC.WaitForPendingFinalizers();
            await Task.Delay(20);
        }
    }
}
