namespace ManyHands.Platform;

/// <summary>
/// The places where code of the library begins without a caller of its own: threads, and callbacks of .NET's. Each has a row in the table of threads in <c>docs/architecture.md</c>, which says what becomes of what it
/// was about, and a case in the tests.
/// </summary>
internal enum GuardedEntry
{
    /// <summary>A worker's link: starts its process, reads what it sends.</summary>
    Link,

    /// <summary>One frame of a worker, on its link's thread or that of a caller that looks for its outcome.</summary>
    LinkFrame,

    /// <summary>The end of a worker is told to whoever owns it.</summary>
    LinkEnd,

    /// <summary>A call is given to a worker, perhaps on the thread of another call's caller.</summary>
    Feeding,

    /// <summary>A call's caller is told its outcome, and what the call held is given back.</summary>
    Settling,

    /// <summary>The thread that waits for descriptors: of children's ends, of their output.</summary>
    Poller,

    /// <summary>A descriptor became readable.</summary>
    PollerCallback,

    /// <summary>Awaits the end of a child on platforms without pidfds.</summary>
    PortableChild,

    /// <summary>Reads one of the output streams of such a child.</summary>
    PortableOutput,

    /// <summary>The thread of deadlines.</summary>
    Deadlines,

    /// <summary>A deadline that is due.</summary>
    DeadlineCallback,

    /// <summary>The coroutines' thread.</summary>
    Coroutines,

    /// <summary>One turn of a coroutine.</summary>
    CoroutineTurn,

    /// <summary>A coroutine that has blocked its thread is reported.</summary>
    BlockedReport,

    /// <summary>The thread that sleeps on words in shared memory for tasks.</summary>
    Waits,

    /// <summary>A wait is cancelled by its token.</summary>
    WaitCancellation,

    /// <summary>Sends what a worker's socket had no room for.</summary>
    Sending,

    /// <summary>The thread of a <see cref="WorkerThread"/>, or of a pool of threads.</summary>
    WorkerThread,

    /// <summary>Encodes or decodes a value that is too deep for its caller's stack.</summary>
    DeepValue,

    /// <summary>A call is cancelled by its caller's token.</summary>
    CallCancellation,

    /// <summary>Progress is handed to its receivers, and then the outcome.</summary>
    Progress,

    /// <summary>A call has ended, and whoever waits for that is told.</summary>
    CallCompletion,

    /// <summary>A call in a thread of a pool of threads.</summary>
    ThreadedCall,

    /// <summary>A call of an inline pool.</summary>
    InlineCall,

    /// <summary>An item of a map over an engine without processes has ended.</summary>
    MapItem,

    /// <summary>A map is cancelled by its token.</summary>
    MapCancellation,

    /// <summary>A call of a pool of coroutines.</summary>
    CoroutineCall,

    /// <summary>A coroutine from its start to its end.</summary>
    CoroutineRun,

    /// <summary>A scope of workers is cancelled by its token.</summary>
    ScopeCancellation,

    /// <summary>The end of a process wakes those that wait for any of several.</summary>
    ProcessEndSignal,

    /// <summary>A block of shared memory is collected.</summary>
    BlockFinalizer,

    /// <summary>A collected block's names are left.</summary>
    BlockNames,

    /// <summary>An end of a pipe is collected.</summary>
    PipeFinalizer,

    /// <summary>The process ends, and leaves its names.</summary>
    ProcessExit,

    /// <summary>The thread that runs calls, in a worker.</summary>
    WorkerCalls,

    /// <summary>The thread that listens during a call, in a worker.</summary>
    WorkerListener,

    /// <summary>A worker's preparation.</summary>
    WorkerPreparation,

    /// <summary>A signal reaches a worker.</summary>
    WorkerSignal,

    /// <summary>A worker ends because of SIGTERM.</summary>
    WorkerTermination,

    /// <summary>Watches for the parent's end, in a worker on platforms without lifelines.</summary>
    ParentWatch,

    /// <summary>Reads what a manager sends to a client.</summary>
    ManagerClient,

    /// <summary>One answer of a manager reaches the request that waits for it.</summary>
    ManagerAnswer,

    /// <summary>A client's request is cancelled by its token.</summary>
    ManagerRequestCancellation,

    /// <summary>A client tries for another connection, and tells who listens.</summary>
    ManagerReconnect,

    /// <summary>A manager accepts connections.</summary>
    ManagerAccept,

    /// <summary>One connection of a manager, from the handshake to its end.</summary>
    ManagerConnection,

    /// <summary>One request of a manager's client.</summary>
    ManagerRequest,

    /// <summary>An object of a manager is told of a session's end, or of a time that is over.</summary>
    ManagerObject,

    /// <summary>Sends to the other side of a manager's connection.</summary>
    ManagerSending,

    /// <summary>A call of a manager's pool, at its caller.</summary>
    RemotePoolCall,

    /// <summary>Takes orders from a manager's pool, at a worker.</summary>
    RemoteWorker,

    /// <summary>A call of a manager's pool, at its worker.</summary>
    RemoteWorkerCall,

    /// <summary>Writes a manager's objects to their storage.</summary>
    Storage,

    /// <summary>A storage tells what it has kept.</summary>
    StorageReport,
}
