using ManyHands.Memory;

namespace ManyHands.Tests.Memory;

/// <summary>Has what this process sends with no call wait for another time for its receiver.</summary>
internal sealed class TransitTime : IDisposable
{
    private readonly TimeSpan before = SharedBlock.TransitTime;

    public TransitTime(TimeSpan time) => SharedBlock.TransitTime = time;

    public void Dispose() => SharedBlock.TransitTime = before;
}
