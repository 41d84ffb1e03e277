using ManyHands.Queues;

namespace ManyHands;

/// <summary>
/// An item of a <see cref="SharedQueue{T}"/> that this process has on lease. When it is done with the item it completes the lease; disposing of one that isn't completed gives the item back.
/// It comes back by itself when the process dies, or when the lease's time is over; not while the process lives and there is no such time, even if nothing refers to the lease any more.
/// </summary>
/// <remarks>May be used by one thread at a time.</remarks>
/// <typeparam name="T">What the queue's items are.</typeparam>
public sealed class QueueLease<T> : IDisposable
{
    private readonly SharedQueue<T> queue;
    private readonly LaneLease lease;
    private bool isSettled;

    internal QueueLease(SharedQueue<T> queue, LaneLease lease, T item)
    {
        this.queue = queue;
        this.lease = lease;
        Item = item;
    }

    /// <summary>The item.</summary>
    public T Item { get; }

    /// <summary>How often it was given to somebody, this time included: from 1.</summary>
    public int Deliveries => lease.Deliveries;

    /// <summary>Whether somebody had it before and didn't complete it; some of its work may be done.</summary>
    public bool IsRedelivered => Deliveries > 1;

    /// <summary>The item is done: it never comes back.</summary>
    /// <exception cref="QueueLeaseLostException">The lease's time was over and the item has gone to somebody else.</exception>
    /// <exception cref="InvalidOperationException">The lease was completed or abandoned already.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of in this process, and the item has come back.</exception>
    public void Complete()
    {
        if (!TryComplete())
            throw Lost();
    }

    /// <summary>The item is done: it never comes back.</summary>
    /// <returns>False if the lease's time was over and the item has gone to somebody else.</returns>
    /// <inheritdoc cref="Complete" path="exception[@cref='T:System.InvalidOperationException']"/>
    /// <inheritdoc cref="Complete" path="exception[@cref='T:System.ObjectDisposedException']"/>
    public bool TryComplete() => Settle(LeaseEnd.Completed);

    /// <summary>Gives the item back; it is the next one that somebody takes.</summary>
    /// <exception cref="InvalidOperationException">The lease was completed or abandoned already.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of in this process, and the item has come back.</exception>
    public void Abandon() => Settle(LeaseEnd.Abandoned);

    /// <summary>Gives this process more time, from now on.</summary>
    /// <param name="duration">How long, from one millisecond; null for as long as it lives.</param>
    /// <exception cref="QueueLeaseLostException">The lease's time was over and the item has gone to somebody else.</exception>
    /// <exception cref="InvalidOperationException">The lease was completed or abandoned already.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The duration is not positive.</exception>
    /// <exception cref="ObjectDisposedException">The queue was disposed of in this process, and the item has come back.</exception>
    public void Renew(TimeSpan? duration = null)
    {
        ThrowIfSettled();
        if (!queue.Settle(lease, LeaseEnd.Renewed, duration))
            throw Lost();
    }

    /// <summary>Gives the item back, unless the lease was completed or abandoned.</summary>
    public void Dispose()
    {
        if (isSettled)
            return;
        isSettled = true;
        try
        {
            queue.Settle(lease, LeaseEnd.Abandoned);
        }
        catch (ObjectDisposedException)
        {
            // It has given back what it had.
        }
    }

    private bool Settle(LeaseEnd end)
    {
        ThrowIfSettled();
        bool isHeld = queue.Settle(lease, end);
        isSettled = true;
        return isHeld;
    }

    private void ThrowIfSettled()
    {
        if (isSettled)
            throw new InvalidOperationException("The lease was completed or abandoned already; each ends once.");
    }

    private static QueueLeaseLostException Lost() => new("The lease's time was over, and the item has gone to somebody else. Take it with a longer duration, or renew it in time.");
}
