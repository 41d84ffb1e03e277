namespace ManyHands.Serialization;

/// <summary>Why a type or a value can't travel, where that is, and what to write instead.</summary>
/// <param name="Path">From the type or value asked about to the culprit: <c>.Customer.Photo</c>, <c>.Items[3]</c>, or nothing for itself.</param>
/// <param name="Reason">Begins with a verb, as the path precedes it.</param>
/// <param name="Remedy">An instruction: "open the file inside the function and pass its path".</param>
internal sealed record Refusal(string Path, string Reason, string Remedy)
{
    // A path of hundreds of steps (a cycle, an endless list) says no more than its beginning.
    private const int LongestPath = 200;

    public static Refusal Here(string reason, string remedy) => new("", reason, remedy);

    /// <summary>The same refusal, seen from one step further out.</summary>
    public Refusal Under(string segment) => this with { Path = segment + Path };

    public UnsendableValueException ToException(Type root) => new($"{ReadableName.Of(root)}{Shortened} {Reason}; {Remedy}.");

    private string Shortened => Path.Length <= LongestPath ? Path : string.Concat(Path.AsSpan(0, LongestPath), "…");
}
