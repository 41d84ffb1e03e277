using System.Collections.Concurrent;
using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>
/// One user of a manager's objects: a connection, or the manager's own process. What it holds (locks, permits, items on lease, items not known to have arrived) is freed when it ends, however it ends.
/// </summary>
internal abstract class ManagerSession(string name)
{
    private readonly ConcurrentDictionary<HostedRequest, bool> waiting = new();
    private readonly HashSet<HostedObject> touched = [];
    private readonly Queue<(long Number, HostedObject Source, QueueItem? Item, long Ticket)> underWay = new();
    private readonly Lock gate = new();
    private long deliveries;
    private int waitingCount;
    private volatile bool isEnded;

    /// <summary>For statistics and logs.</summary>
    public string Name => name;

    public bool IsEnded => isEnded;

    /// <summary>Where what nobody foresaw is told.</summary>
    public ManagerFaults Faults { get; init; } = ManagerFaults.Unheard;

    public DateTimeOffset Since { get; } = TimeProvider.System.GetUtcNow();

    // Counted, as the dictionary's own count takes all its locks, and every request asks.
    public int WaitingRequests => Volatile.Read(ref waitingCount);

    /// <summary>Whether it must say that what it was given has arrived. The manager's own process has it in the moment that it is given.</summary>
    public virtual bool ConfirmsDeliveries => true;

    /// <summary>When it has ended: whether all that it said before was heard. Else something may have been lost on the way.</summary>
    public virtual bool WasHeardOut => true;

    /// <summary>The object holds something for this session, and is to be told when that ends.</summary>
    /// <returns>False if it has ended already.</returns>
    public bool Touch(HostedObject target)
    {
        lock (gate)
        {
            if (isEnded)
                return false;
            touched.Add(target);
            return true;
        }
    }

    /// <summary>Answers with items that are on their way then: until the other side says that so many deliveries have arrived, they can come back. Deliveries are counted in the order of the answers.</summary>
    public bool AnswerDelivering(HostedRequest request, HostedQueue queue, ReadOnlySpan<QueueItem> items, ReadOnlySpan<byte> head, ReadOnlySpan<byte> rest)
    {
        lock (gate)
        {
            if (!request.Answer(head, rest))
                return false;
            foreach (QueueItem item in items)
                underWay.Enqueue((++deliveries, queue, item, item.Ticket));
            return true;
        }
    }

    /// <summary>The same with what is no item, and is known by its ticket.</summary>
    public bool AnswerDelivering(HostedRequest request, HostedObject source, long ticket, ReadOnlySpan<byte> answer)
    {
        lock (gate)
        {
            if (!request.Answer(answer))
                return false;
            underWay.Enqueue((++deliveries, source, null, ticket));
            return true;
        }
    }

    /// <summary>Whose item was given last and may still come back; null if none.</summary>
    public HostedQueue? OwingQueue
    {
        get
        {
            lock (gate)
                return underWay.TryPeek(out (long Number, HostedObject Source, QueueItem? Item, long Ticket) first) ? first.Source as HostedQueue : null;
        }
    }

    /// <summary>The other side has got the first so many deliveries.</summary>
    public void Arrived(long count)
    {
        while (true)
        {
            (long Number, HostedObject Source, QueueItem? Item, long Ticket) first;
            lock (gate)
            {
                if (!underWay.TryPeek(out first) || first.Number > count)
                    return;
                underWay.Dequeue();
            }

            Faults.Run(
                GuardedEntry.ManagerObject,
                (first.Source, first.Item, first.Ticket, Session: this),
                static one => one.Source.Arrived(one.Item, one.Ticket, one.Session),
                static one => $"{one.Source}, which was told that something has arrived at {one.Session.Name}");
        }
    }

    public void Waits(HostedRequest request)
    {
        if (waiting.TryAdd(request, true))
            Interlocked.Increment(ref waitingCount);
    }

    public void WaitsNoMore(HostedRequest request)
    {
        if (waiting.TryRemove(request, out _))
            Interlocked.Decrement(ref waitingCount);
    }

    /// <summary>Frees what it holds, and ends what it waits for.</summary>
    public void End()
    {
        HostedObject[] objects;
        lock (gate)
        {
            if (isEnded)
                return;
            isEnded = true;
            objects = [.. touched];
            touched.Clear();
            underWay.Clear();
        }

        // Whatever one of them does then, the others hear of it.
        foreach (HostedRequest request in waiting.Keys)
            request.Withdraw(WithdrawalReason.SessionEnded);
        foreach (HostedObject target in objects)
        {
            Faults.Run(
                GuardedEntry.ManagerObject,
                (Target: target, Session: this),
                static one => one.Target.Leave(one.Session),
                static one => $"{one.Target}, which was told that {one.Session.Name} has gone, and may have for it what it held");
        }
    }

    /// <summary>An answer can't be sent, so that the other side would wait for it in vain.</summary>
    public void Fail(HostedRequest request, Exception reason) => Faults.Fail(
        GuardedEntry.ManagerSending,
        (Session: this, Request: request),
        reason,
        static one => $"the answer to the request {one.Request.Operation} of {one.Session.Name}, whose connection was ended",
        static (one, _) => one.Session.Break());

    /// <summary>Ends the connection, if there is one.</summary>
    protected virtual void Break()
    {
    }
}
