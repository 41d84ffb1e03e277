using System.Diagnostics;

namespace ManyHands.Platform;

/// <summary>Which of the two ends of a channel comes by a step.</summary>
[Flags]
internal enum FaultSides
{
    Parent = 1,
    Child = 2,
    Both = Parent | Child,
}

/// <summary>The ways of frames and of starting that a step belongs to.</summary>
[Flags]
internal enum FaultTransports
{
    /// <summary>Inherited descriptors, frames in shared memory.</summary>
    SharedMemory = 1,

    /// <summary>Inherited descriptors, frames over the inherited socket.</summary>
    Sockets = 2,

    /// <summary>What every platform has: standard streams and a socket that the child connects to.</summary>
    Portable = 4,

    Inherited = SharedMemory | Sockets,
    AnySocket = Sockets | Portable,
    All = SharedMemory | Sockets | Portable,
}

/// <summary>Where a step is reached. The sweep of faults takes from here what it has to visit.</summary>
[AttributeUsage(AttributeTargets.Field)]
[Conditional("DEBUG")]
internal sealed class ReachedByAttribute(FaultSides sides, FaultTransports transports = FaultTransports.All) : Attribute
{
    public FaultSides Sides => sides;

    public FaultTransports Transports => transports;
}

/// <summary>
/// The steps of a call's way, and of a worker's life, at which a test can kill, stop or delay the process that is there (<see cref="FaultPoint"/>).
/// In the order in which a call comes by them.
/// </summary>
internal enum FaultStep
{
    // The caller's side of a call.

    /// <summary>Target and arguments are bytes; nobody has the call yet.</summary>
    [ReachedBy(FaultSides.Parent)]
    CallEncoded,

    /// <summary>No worker was idle: the call waits.</summary>
    [ReachedBy(FaultSides.Parent)]
    CallQueued,

    /// <summary>The call belongs to a worker that hasn't been sent it.</summary>
    [ReachedBy(FaultSides.Parent)]
    CallAssigned,

    /// <summary>The worker is alive as far as is known; no byte of the call has left.</summary>
    [ReachedBy(FaultSides.Parent)]
    CallSending,

    /// <summary>The channel has taken the call.</summary>
    [ReachedBy(FaultSides.Parent)]
    CallSent,

    /// <summary>Its caller looks itself for what the worker sends; the link's thread leaves it to that.</summary>
    [ReachedBy(FaultSides.Parent, FaultTransports.SharedMemory)]
    CallerLooking,

    /// <summary>The worker's word that the function is about to be called was read. In shared memory it is a word that nobody reads before it is needed.</summary>
    [ReachedBy(FaultSides.Parent, FaultTransports.AnySocket)]
    StartedRead,

    /// <summary>A progress report was read.</summary>
    [ReachedBy(FaultSides.Parent)]
    ProgressRead,

    /// <summary>The outcome was read; the call still counts as under way.</summary>
    [ReachedBy(FaultSides.Parent)]
    OutcomeRead,

    /// <summary>Who completes the call is decided; its caller doesn't know yet.</summary>
    [ReachedBy(FaultSides.Parent)]
    CallSettled,

    /// <summary>All results of a map's batch can be taken; the map doesn't count it as ended.</summary>
    [ReachedBy(FaultSides.Parent)]
    BatchFinished,

    /// <summary>The caller wants no outcome any more; the worker hasn't been told.</summary>
    [ReachedBy(FaultSides.Parent)]
    CancelRequested,

    /// <summary>The call's time is over; the worker hasn't been told.</summary>
    [ReachedBy(FaultSides.Parent)]
    TimeoutRequested,

    /// <summary>The grace is over too: the worker is about to be killed.</summary>
    [ReachedBy(FaultSides.Parent)]
    KillDecided,

    /// <summary>A call turned out long: those behind it are about to be asked for.</summary>
    [ReachedBy(FaultSides.Parent)]
    RecallDecided,

    /// <summary>A call that a worker had is without one again.</summary>
    [ReachedBy(FaultSides.Parent)]
    CallPutBack,

    /// <summary>The rest of a batch is a batch of its own, and waits; nothing follows its token yet.</summary>
    [ReachedBy(FaultSides.Parent)]
    SplitOff,

    // A worker's life, the parent's side.

    /// <summary>The link's thread runs; there is no process.</summary>
    [ReachedBy(FaultSides.Parent)]
    WorkerStarting,

    /// <summary>What the child is to inherit is open; there is no process.</summary>
    [ReachedBy(FaultSides.Parent, FaultTransports.Inherited)]
    DescriptorsMade,

    /// <summary>The socket to connect to is in the file system; there is no process.</summary>
    [ReachedBy(FaultSides.Parent, FaultTransports.Portable)]
    AddressMade,

    /// <summary>There is a process that nobody watches.</summary>
    [ReachedBy(FaultSides.Parent)]
    ProcessSpawned,

    /// <summary>The process is watched; its link knows nothing of it.</summary>
    [ReachedBy(FaultSides.Parent)]
    ProcessWatched,

    /// <summary>The worker has been told who it is, and its initializer.</summary>
    [ReachedBy(FaultSides.Parent)]
    SetupSent,

    /// <summary>The worker said that it takes calls; its pool doesn't know yet.</summary>
    [ReachedBy(FaultSides.Parent)]
    ReadyRead,

    /// <summary>No more calls will come; the worker hasn't been told.</summary>
    [ReachedBy(FaultSides.Parent)]
    ShutdownSending,

    /// <summary>The process has ended and was not reaped.</summary>
    [ReachedBy(FaultSides.Parent, FaultTransports.Inherited)]
    EndSeen,

    /// <summary>Everything that the worker ever sent was read; its calls are not settled.</summary>
    [ReachedBy(FaultSides.Parent)]
    WorkerGone,

    // A worker's life, the child's side.

    /// <summary>The first of our code in the child.</summary>
    [ReachedBy(FaultSides.Child)]
    ChildEntered,

    /// <summary>The child knows the address and hasn't connected to it.</summary>
    [ReachedBy(FaultSides.Child, FaultTransports.Portable)]
    ChildConnecting,

    /// <summary>The child has its channel, and watches its parent.</summary>
    [ReachedBy(FaultSides.Child)]
    ChildConnected,

    /// <summary>The child has said that it takes calls; nothing reads them yet.</summary>
    [ReachedBy(FaultSides.Child)]
    ReadySent,

    /// <summary>The child was told who it is.</summary>
    [ReachedBy(FaultSides.Child)]
    SetupRead,

    /// <summary>The child was told that no more calls will come.</summary>
    [ReachedBy(FaultSides.Child)]
    ShutdownRead,

    // The child's side of a call.

    /// <summary>The call is out of the channel; nothing of it is decoded.</summary>
    [ReachedBy(FaultSides.Child)]
    CallRead,

    /// <summary>The function is found and its arguments are decoded; the parent believes the call unstarted.</summary>
    [ReachedBy(FaultSides.Child)]
    CallDecoded,

    /// <summary>When the call started is in shared memory, and not which: it counts as unstarted.</summary>
    [ReachedBy(FaultSides.Child, FaultTransports.SharedMemory)]
    StartedMarking,

    /// <summary>The parent knows, or will hear, that the call runs; the function isn't called yet.</summary>
    [ReachedBy(FaultSides.Child)]
    StartedTold,

    /// <summary>A report is about to be sent.</summary>
    [ReachedBy(FaultSides.Child)]
    ProgressSending,

    /// <summary>The function has returned; its result is no bytes yet.</summary>
    [ReachedBy(FaultSides.Child)]
    FunctionReturned,

    /// <summary>The outcome is bytes; none has left.</summary>
    [ReachedBy(FaultSides.Child)]
    AnswerEncoded,

    /// <summary>The channel has taken the outcome.</summary>
    [ReachedBy(FaultSides.Child)]
    AnswerSent,

    /// <summary>A cancellation was read; no token knows.</summary>
    [ReachedBy(FaultSides.Child)]
    CancelRead,

    /// <summary>The parent wants unstarted calls back; none was given.</summary>
    [ReachedBy(FaultSides.Child)]
    RecallRead,

    // Frames over a socket.

    /// <summary>It is a frame's turn; no byte has left.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.AnySocket)]
    FrameSending,

    /// <summary>The first part of a large frame has left.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.AnySocket)]
    FrameHalfSent,

    /// <summary>The socket, or the thread for what it doesn't take, has the frame.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.AnySocket)]
    FrameSent,

    /// <summary>A part of a frame has come, and there is no more to read.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.AnySocket)]
    FrameHalfReceived,

    /// <summary>A whole frame has come.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.AnySocket)]
    FrameReceived,

    /// <summary>What the other side had no room for is about to be sent: over a socket by a thread of its own, in shared memory as far as there is room by now.</summary>
    [ReachedBy(FaultSides.Parent)]
    BackgroundFlush,

    // Frames in shared memory.

    /// <summary>Room in the ring is taken; nothing is in it.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingReserved,

    /// <summary>A part of the frame is in the ring, or in the copy of what has no room there; the reader can't see it.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingHalfCopied,

    /// <summary>The reader can see the frame.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingPublished,

    /// <summary>The reader sleeps and is about to be woken. Whoever wakes it has taken its word that it sleeps, so nobody else will.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingBeforeWake,

    /// <summary>The reader has seen a frame; its room isn't given back.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingRead,

    /// <summary>The room of what was read is given back; a writer that waits for it isn't woken.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingReleased,

    /// <summary>The reader has said that it sleeps, and not looked once more whether there is anything.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingSleepAnnounced,

    /// <summary>The reader has looked for the last time, and is about to sleep.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    RingSleeping,

    /// <summary>A large payload is in a segment; the other side may not know the segment yet.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    SideSegmentCreated,

    /// <summary>The other side has been sent the segment, and no frame that speaks of it.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    SideSegmentSent,

    /// <summary>The other side's segment is mapped; nothing of it was read.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    SideSegmentMapped,

    /// <summary>A payload in a segment was read; the segment's owner hasn't been told.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    SegmentReleasing,

    /// <summary>The other side has read a segment; it isn't free for the next payload.</summary>
    [ReachedBy(FaultSides.Both, FaultTransports.SharedMemory)]
    SegmentTakenBack,

    /// <summary>A segment is about to be freed, here; the other side doesn't know. A worker does the same, when it has needed none for seconds.</summary>
    [ReachedBy(FaultSides.Parent, FaultTransports.SharedMemory)]
    SegmentDropped,

    // Batches and recycling.

    /// <summary>An item of a batch has run; its outcome hasn't left.</summary>
    [ReachedBy(FaultSides.Child)]
    BatchItemRun,

    /// <summary>The outcome of an item of a batch has left, and not that of the last.</summary>
    [ReachedBy(FaultSides.Child)]
    BatchItemAnswered,

    /// <summary>A worker is to be replaced by a fresh one; it doesn't know yet.</summary>
    [ReachedBy(FaultSides.Parent)]
    RecycleDecided,

    // Queues that processes share, which are on no call's way.

    /// <summary>There is room for the message; none of it is there.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LaneReserved,

    /// <summary>Half of the message is there, where nobody looks yet.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LaneHalfCopied,

    /// <summary>Readers see the message; it isn't counted yet.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LanePublished,

    /// <summary>The writers' lock is free; no reader was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LaneBeforeWake,

    /// <summary>A reader has copied the message, which is still everyone's.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LaneCopiedOut,

    /// <summary>The message is this reader's; it still counts as waiting.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LaneTaken,

    /// <summary>The readers' lock is free; no writer that waits for room was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LaneBeforeRoomWake,

    /// <summary>A lease is written that doesn't count yet: the message is still everyone's.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LeaseWritten,

    /// <summary>The message is on lease.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LeaseTaken,

    /// <summary>A lease is about to be completed, and is not.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LeaseCompleting,

    /// <summary>A lease has ended, and is still counted.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LeaseFreed,

    /// <summary>A lease was completed; nobody who waits for that was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LeaseBeforeWake,

    /// <summary>A message has come back, and isn't counted among those.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LeaseReturned,

    // Values that processes share, if they need a guard.

    /// <summary>A value's guard is taken, and nothing of the value was read.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ValueGuarded,

    /// <summary>Half of the new content is there, where nobody looks yet.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ValueHalfWritten,

    /// <summary>A shared value's new content is there, and the old one still counts.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ValueWritten,

    /// <summary>The new content counts; the guard isn't left.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ValueCounted,

    // Locks that processes share; those of a robust lock also in the guards of the others.

    /// <summary>The lock's word says that somebody waits, who is about to sleep.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LockSleeping,

    /// <summary>The word is taken from a dead process; whoever took it hasn't been told.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LockTakenOver,

    /// <summary>The word is this process's; nothing else of the stay is written.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LockTaken,

    /// <summary>All of the stay is written; its caller doesn't know.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LockEntered,

    /// <summary>A reentrant lock is no thread's any more, and still the process's.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LockLeaving,

    /// <summary>The word is free; no waiter was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    LockReleased,

    // Semaphores.

    /// <summary>The guard is taken; what a dead holder of it left isn't mended.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    SemaphoreGuarded,

    /// <summary>The process has a place in the table, and no permit in it.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    SemaphorePlaced,

    /// <summary>A permit is the process's by the table; it counts as available.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    PermitTaken,

    /// <summary>It counts as taken; the guard isn't left.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    PermitCounted,

    /// <summary>The guard is left; the caller doesn't know of its permit.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    PermitGot,

    /// <summary>There was no permit; the waiter is about to sleep.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    SemaphoreSleeping,

    /// <summary>The permit is nobody's by the table; it doesn't count as available.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    PermitGivenBack,

    /// <summary>It counts as available; no waiter was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    PermitAvailable,

    /// <summary>The word that waiters sleep on has changed; none was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    SemaphoreWaking,

    /// <summary>A dead process's permits are nobody's by the table; they don't count as available.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    DeadPermitTaken,

    // Events.

    /// <summary>The event's word says that somebody waits, who is about to sleep.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    EventSleeping,

    /// <summary>It is set; no waiter was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    EventSet,

    /// <summary>A waiter has seen it set, and reset it if that goes by itself; its caller doesn't know.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    EventTaken,

    // Conditions.

    /// <summary>The waiter is counted; it holds the lock.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ConditionRegistered,

    /// <summary>The lock is left; the waiter is about to wait.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ConditionSleeping,

    /// <summary>The wait is over; the lock isn't entered again.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ConditionWoken,

    /// <summary>It is; the notification isn't taken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ConditionReentered,

    /// <summary>The notification is taken; its waiter still counts as waiting.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ConditionTaken,

    /// <summary>The word that waiters sleep on has changed; what they are to be told isn't there.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ConditionWaking,

    /// <summary>It is; no waiter was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    ConditionNotified,

    // Barriers.

    /// <summary>The guard is taken; what a dead holder of it left isn't mended.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierGuarded,

    /// <summary>The party's process is written; it doesn't count as arrived.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierNamed,

    /// <summary>It counts; the guard isn't left.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierArrived,

    /// <summary>It has left the guard, and is about to sleep.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierSleeping,

    /// <summary>The last party has come; how the phase ended isn't decided.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierComplete,

    /// <summary>It is; the phase is still the same.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierDecided,

    /// <summary>The next phase has begun; nobody was woken.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierPublished,

    /// <summary>The guard is left; the caller doesn't know.</summary>
    [ReachedBy(FaultSides.Both, 0)]
    BarrierPassed,
}
