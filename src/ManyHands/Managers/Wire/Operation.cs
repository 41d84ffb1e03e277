namespace ManyHands.Managers;

/// <summary>What a request asks for. "Block" is a length (4) and as many bytes. The numbers never change.</summary>
internal enum Operation : byte
{
    // Of the manager itself.

    /// <summary>Kind (1), name, type's name. Answer: the object's number (4), and what its kind says about itself.</summary>
    Open = 1,

    /// <summary>Answer: nothing.</summary>
    Ping = 2,

    // Of a queue.

    /// <summary>Count (4), then a block for each. Waits for room. Answer: how many were added (4): fewer if the time was over.</summary>
    Enqueue = 10,

    /// <summary>Most (4). Waits for the first. Answer: <see cref="TakeResult"/> (1), and if there are any, a count (4), then for each its ticket (8) and a block. Each is a delivery.</summary>
    Dequeue = 11,

    /// <summary>Milliseconds (8; -1 for as long as the holder lives). Waits. Answer: <see cref="TakeResult"/> (1), and if there is one, its ticket (8), how often it was given (4), a block.</summary>
    Lease = 12,

    /// <summary>Ticket (8), how it ends (1), milliseconds (8). Answer: whether it was still held (1).</summary>
    Settle = 13,

    /// <summary>Answer: nothing.</summary>
    Complete = 14,

    /// <summary>Answer: capacity (8), how many wait (8), are on lease (4), whether completed (1).</summary>
    QueueState = 15,

    /// <summary>Waits until nothing waits and nothing is on lease. Answer: whether (1).</summary>
    Join = 16,

    /// <summary>Removes all that waits. Answer: how many (8).</summary>
    ClearQueue = 17,

    // Of a dictionary.

    /// <summary>Key block. Answer: whether there is one (1), and its block.</summary>
    Get = 20,

    /// <summary>Key block, value block. Answer: nothing.</summary>
    Put = 21,

    /// <summary>Key block, value block. Answer: whether it was added (1), and if not, the block that is there.</summary>
    Add = 22,

    /// <summary>Key block. Answer: whether there was one (1), and its block.</summary>
    Remove = 23,

    /// <summary>Key block, value block, comparand block. Answer: whether it was changed (1); if not, whether there is one (1), and its block.</summary>
    ReplaceIf = 24,

    /// <summary>Of a list too. Answer: how many (8).</summary>
    Count = 25,

    /// <summary>Of a list too. Answer: nothing.</summary>
    Clear = 26,

    /// <summary>Where to begin (8). Answer: where to go on (8; -1 at the end), count (4), a key block and a value block for each. A snapshot of each page, not of all.</summary>
    Entries = 27,

    /// <summary>Answer: whether there was one (1), and the key block and the value block of the one that came last.</summary>
    RemoveLast = 28,

    /// <summary>Count (4), then a key block and a value block for each. Answer: nothing. All are set, or none.</summary>
    PutAll = 29,

    // Of a list; indexes are 8 bytes.

    /// <summary>Block. Answer: its index (8).</summary>
    Append = 30,

    /// <summary>Index. Answer: block.</summary>
    GetAt = 31,

    /// <summary>Index, block. Answer: nothing.</summary>
    SetAt = 32,

    /// <summary>Index, block. Answer: nothing.</summary>
    InsertAt = 33,

    /// <summary>Index. Answer: the block that was there.</summary>
    RemoveAt = 34,

    /// <summary>Where to begin (8), most (4). Answer: how many there are in all (8), count (4), a block for each.</summary>
    Range = 35,

    // Of a value.

    /// <summary>Answer: block.</summary>
    Read = 40,

    /// <summary>Block. Answer: the block before.</summary>
    Exchange = 41,

    /// <summary>Block, comparand block. Answer: the block before.</summary>
    CompareExchange = 42,

    // Of locks and the like.

    /// <summary>
    /// Of a lock, or of a condition for its lock. Waits, also for a stay of the same session: levels of a reentrant lock are counted by its users. Answer: whether it was entered (1), and if so, the number of the stay (8), whether the
    /// holder before was lost (1). A lock says about itself whether it is reentrant (1).
    /// </summary>
    Enter = 50,

    /// <summary>Of a lock, or of a condition for its lock. Number of the stay (8), then, which may be missing, whether it is abandoned by that (1), so that the next is told. Answer: nothing.</summary>
    Exit = 51,

    /// <summary>Of a semaphore: waits. Answer: whether (1). A semaphore says about itself its maximum (4).</summary>
    Acquire = 52,

    /// <summary>Of a semaphore: count (4). Answer: how many there were (4).</summary>
    Release = 53,

    /// <summary>Of an event: waits. Answer: whether (1); if so it is a delivery. An event says about itself its <see cref="SharedEventMode"/> (1).</summary>
    Await = 54,

    /// <summary>Of an event. Answer: nothing.</summary>
    Set = 55,

    /// <summary>Of an event or a barrier. Answer: nothing.</summary>
    Reset = 56,

    /// <summary>
    /// Of a condition: number of the stay (8); waits, and enters again, which no time ends. Answer: whether it was notified (1; not if it was cancelled or out of time), the number of the new stay (8), whether the holder before was
    /// lost (1). A condition says about itself whether its lock is reentrant (1) and that lock's name, or null if it has one of its own.
    /// </summary>
    WaitFor = 57,

    /// <summary>Of a condition: number of the stay (8), count (4; -1 for all). Answer: nothing.</summary>
    Notify = 58,

    /// <summary>Of a barrier: whether an action is to be run (1); waits. Answer: <see cref="PassageResult"/> (1), and unless the time was over, index (4), phase (8). A barrier says about itself how many have to come (4).</summary>
    Arrive = 59,

    /// <summary>Of a barrier: the action is done; whether it succeeded (1), of which phase (8). Answer: nothing.</summary>
    ActionDone = 60,

    /// <summary>Of a barrier. Answer: nothing.</summary>
    Abort = 61,

    /// <summary>Answer: of a lock, whether it is held (1); of a semaphore, how many permits are there (4); of an event, whether it is set (1); of a condition, how many wait (4); of a barrier, how many have come (4), whether it is broken (1).</summary>
    State = 62,

    // Of a service.

    /// <summary>Which method, as <see cref="ServiceMethod.Signature"/> has it, and its arguments. Waits for it. Answer: its result.</summary>
    Invoke = 70,

    // Of a pool, for who calls. A call has a key (8) that its session chose.

    /// <summary>Key, how often it may run again (4), milliseconds that it waits where there is no worker (8; -1 for ever), whether it has receivers of reports (1), then a <see cref="PoolCallMessage"/>. Waits for it. Answer: how many calls the workers take (4), <see cref="PoolOutcome"/> (1), what belongs to it.</summary>
    PoolRun = 80,

    /// <summary>Key. The call's token is to be cancelled; its outcome comes as ever. No answer.</summary>
    PoolCancel = 81,

    /// <summary>Key. Waits for reports of the call or its end. Answer: whether no more come (1), count (4), for each its receiver (4) and a block.</summary>
    PoolReports = 82,

    /// <summary>Waits until there is a worker. Answer: whether (1).</summary>
    PoolAwait = 83,

    /// <summary>Answer: how many calls run at a time at most (4), how many of the asker's calls run (4), workers that have come (8), that were lost (8), count (4), then for each worker its number (8), name, how many calls it runs (4), the name of one (or none), how many have ended (8).</summary>
    PoolState = 84,

    // Of a pool, for who works. A call has a ticket (8) that the manager gave it.

    /// <summary>How many calls it runs at a time (4), its name, its process id (4). Answer: its number (8), how many bytes a message may have (4).</summary>
    PoolJoin = 85,

    /// <summary>Number. Waits for orders. Answer: count (4), for each <see cref="PoolOrder"/> (1), ticket, and to run one a <see cref="PoolCallMessage"/> as a block.</summary>
    PoolTake = 86,

    /// <summary>Number, then what there is to tell, each a <see cref="PoolNews"/> (1), ticket, and what belongs to it. No answer.</summary>
    PoolTell = 87,

    /// <summary>Number, whether that is all (1): it takes no more calls, or it is gone. Answer: nothing.</summary>
    PoolLeave = 88,
}

/// <summary>What came of a wait for an item.</summary>
internal enum TakeResult : byte
{
    TimedOut = 0,
    Taken = 1,

    /// <summary>The queue is completed, and nothing can come any more.</summary>
    Ended = 2,
}

/// <summary>What came of an arrival at a barrier.</summary>
internal enum PassageResult : byte
{
    TimedOut = 0,
    Passed = 1,

    /// <summary>The last to arrive, with an action: run it, then say <see cref="Operation.ActionDone"/>.</summary>
    RunAction = 2,
}
