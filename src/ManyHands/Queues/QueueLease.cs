using ManyHands.Queues;

namespace ManyHands;

/// <summary>
/// An item of a queue that this process has on lease. When it is done with the item it completes the lease; disposing of one that isn't completed gives the item back.
/// It comes back by itself when the process dies, or when the lease's time is over; not while the process lives and there is no such time, even if nothing refers to the lease any more.
/// </summary>
/// <remarks>May be used by one thread at a time.</remarks>
/// <typeparam name="T">What the queue's items are.</typeparam>
public sealed class QueueLease<T> : IDisposable, IAsyncDisposable
{
    private readonly ILeaseHolder queue;
    private readonly LaneLease lease;
    private bool isSettled;

    internal QueueLease(ILeaseHolder queue, LaneLease lease, T item)
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
            queue.Settle(lease, LeaseEnd.Abandoned, null);
        }
        catch (Exception failure) when (ILeaseHolder.HasGivenBack(failure))
        {
        }
    }

    /// <summary>The item is done: it never comes back. Holds no thread for the way to a manager.</summary>
    /// <inheritdoc cref="Complete" path="exception"/>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (!await SettleAsync(LeaseEnd.Completed, cancellationToken).ConfigureAwait(false))
            throw Lost();
    }

    /// <summary>Gives the item back; it is the next one that somebody takes. Holds no thread for the way to a manager.</summary>
    /// <inheritdoc cref="Abandon" path="exception"/>
    public async ValueTask AbandonAsync(CancellationToken cancellationToken = default) => await SettleAsync(LeaseEnd.Abandoned, cancellationToken).ConfigureAwait(false);

    /// <summary>Gives this process more time, from now on. Holds no thread for the way to a manager.</summary>
    /// <inheritdoc cref="Renew"/>
    public async ValueTask RenewAsync(TimeSpan? duration = null, CancellationToken cancellationToken = default)
    {
        ThrowIfSettled();
        if (!await queue.SettleAsync(lease, LeaseEnd.Renewed, duration, cancellationToken).ConfigureAwait(false))
            throw Lost();
    }

    /// <summary>Gives the item back, unless the lease was completed or abandoned.</summary>
    public async ValueTask DisposeAsync()
    {
        if (isSettled)
            return;
        isSettled = true;
        try
        {
            await queue.SettleAsync(lease, LeaseEnd.Abandoned, null, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception failure) when (ILeaseHolder.HasGivenBack(failure))
        {
        }
    }

    private async ValueTask<bool> SettleAsync(LeaseEnd end, CancellationToken cancellationToken)
    {
        ThrowIfSettled();
        bool isHeld = await queue.SettleAsync(lease, end, null, cancellationToken).ConfigureAwait(false);
        isSettled = true;
        return isHeld;
    }

    private bool Settle(LeaseEnd end)
    {
        ThrowIfSettled();
        bool isHeld = queue.Settle(lease, end, null);
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

/// <summary>What a lease is settled with: the queue that gave it.</summary>
internal interface ILeaseHolder
{
    /// <summary>Ends a lease of this object's, or prolongs it.</summary>
    /// <param name="duration">For a renewal: how long from now; null for as long as the holder lives.</param>
    /// <returns>False if it isn't its holder's any more.</returns>
    bool Settle(LaneLease lease, LeaseEnd end, TimeSpan? duration);

    /// <inheritdoc cref="Settle"/>
    ValueTask<bool> SettleAsync(LaneLease lease, LeaseEnd end, TimeSpan? duration, CancellationToken token);

    /// <summary>Whether this failure means that the queue has back what it gave: it was disposed of, or its manager can't be reached and takes back what was leased.</summary>
    static bool HasGivenBack(Exception failure) => failure is ObjectDisposedException or ConnectionLostException;
}
