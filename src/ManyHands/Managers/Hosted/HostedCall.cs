using System.Diagnostics;
using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>Where a call of a hosted pool is.</summary>
internal enum HostedCallState
{
    /// <summary>Waits for a worker.</summary>
    Queued,

    /// <summary>With a worker, which hasn't said that it starts it.</summary>
    Sent,

    /// <summary>Its function was called, or is about to be.</summary>
    Started,
}

/// <summary>A call in a pool that a manager has, guarded by the pool's gate. It can outlive its caller's interest in it: a worker that has it says how it ended all the same.</summary>
/// <param name="request">The caller's, answered with the outcome.</param>
/// <param name="key">By which its session knows it.</param>
/// <param name="retries">How often it may run again.</param>
/// <param name="patience">How long it waits where there is no worker.</param>
/// <param name="hasReceivers">Whether its caller listens to reports.</param>
/// <param name="message">What a worker gets.</param>
internal sealed class HostedCall(HostedRequest request, long key, int retries, TimeSpan patience, bool hasReceivers, byte[] message)
{
    public HostedRequest Request => request;

    public long Key => key;

    public int Retries => retries;

    public TimeSpan Patience => patience;

    public bool HasReceivers => hasReceivers;

    /// <summary>Empty when its caller has the outcome: no worker gets it any more.</summary>
    public byte[] Message { get; set; } = message;

    /// <summary>How many bytes it takes of what the manager may hold, with its reports.</summary>
    public long Held { get; set; }

    /// <summary>What the manager reads of the message.</summary>
    public PoolCallMessage Head { get; } = PoolCallMessage.Read(message);

    /// <summary>The function as workers have it or lack it.</summary>
    public (string Function, string Signature) Wanted => (Head.Function, Head.Signature);

    /// <summary>By which workers know it; in the order in which calls came.</summary>
    public long Ticket { get; set; }

    public HostedCallState State { get; set; }

    /// <summary>In the queue; null elsewhere.</summary>
    public LinkedListNode<HostedCall>? Place { get; set; }

    public HostedWorker? Worker { get; set; }

    /// <summary>Whether its worker was told of it. Until then it can be taken back without a word.</summary>
    public bool IsHanded { get; set; }

    /// <summary>Whether its worker was asked to give it back.</summary>
    public bool IsRecalled { get; set; }

    /// <summary>Its caller wants it to end.</summary>
    public bool CancelRequested { get; set; }

    /// <summary>Its caller has the outcome, or wants none any more.</summary>
    public bool IsSettled { get; set; }

    /// <summary>How many workers were lost with it sent to them but not started.</summary>
    public int Returns { get; set; }

    /// <summary>How many ended while they ran it.</summary>
    public int Crashes { get; set; }

    public long StartedAt { get; set; }

    /// <summary>Of the caller's: waits for reports.</summary>
    public HostedRequest? Listener { get; set; }

    /// <summary>Reports that the caller hasn't got yet.</summary>
    public List<(int Receiver, byte[] Value)> Reports { get; } = [];

    /// <summary>The end of its time, should its worker not see to it; or of its patience.</summary>
    public Deadline? Deadline { get; set; }

    public TimeSpan RanFor => State == HostedCallState.Started ? Stopwatch.GetElapsedTime(StartedAt) : TimeSpan.Zero;
}

/// <summary>A worker of a hosted pool, guarded by the pool's gate: the end of a session ends it.</summary>
internal sealed class HostedWorker(long number, ManagerSession session, string name, int processId, int capacity)
{
    /// <summary>What it may have beyond what it runs, so that the way to the manager doesn't leave it idle; with a worker for one call at a time too.</summary>
    public int Most { get; } = capacity + Math.Clamp(2 * capacity, 4, 64);

    public long Number => number;

    public ManagerSession Session => session;

    public string Name => name;

    public int ProcessId => processId;

    public int Capacity => capacity;

    public long JoinedAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>What it has, started or not, by ticket.</summary>
    public Dictionary<long, HostedCall> Calls { get; } = [];

    /// <summary>How many of them it can't run at once.</summary>
    public int Beyond { get; set; }

    /// <summary>How many it was asked to give back and hasn't answered for.</summary>
    public int Recalls { get; set; }

    /// <summary>What it is to be told. A call may have left it since.</summary>
    public Queue<(PoolOrder Order, HostedCall Call)> Orders { get; } = new();

    /// <summary>Its request that waits for orders.</summary>
    public HostedRequest? Take { get; set; }

    /// <summary>Among those with room.</summary>
    public LinkedListNode<HostedWorker>? Place { get; set; }

    /// <summary>Functions that it doesn't have, with what it says of them; null as long as nothing is known to lack.</summary>
    public Dictionary<(string Function, string Signature), string>? Lacking { get; set; }

    /// <summary>Takes no more calls.</summary>
    public bool IsLeaving { get; set; }

    public long Ended { get; set; }

    public bool Lacks(HostedCall call) => Lacking is not null && Lacking.ContainsKey(call.Wanted);
}
