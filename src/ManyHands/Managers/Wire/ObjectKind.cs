namespace ManyHands.Managers;

/// <summary>What a registered object is. The numbers are on the wire and in storages: they never change.</summary>
internal enum ObjectKind : byte
{
    /// <summary>The manager itself: opens objects, answers questions about them.</summary>
    Manager = 0,
    Queue = 1,
    Dictionary = 2,
    List = 3,
    Value = 4,
    Lock = 5,
    Semaphore = 6,
    Event = 7,
    Condition = 8,
    Barrier = 9,

    /// <summary>An object behind an interface.</summary>
    Service = 10,

    /// <summary>Calls that workers of a remote pool run.</summary>
    Pool = 11,
}
