namespace ManyHands.Serialization;

/// <summary>Why values of a type might arrive changed, and what to write instead if one would.</summary>
/// <param name="Reason">Follows "would arrive changed, as".</param>
/// <param name="Remedy">An instruction, as in <see cref="Refusal"/>.</param>
internal sealed record Suspicion(string Reason, string Remedy)
{
    private const string JustTheData = "send a record with just the data";

    public static Suspicion OfUserCode(Type type) => new($"a constructor or setter of {ReadableName.Of(type)} does more than store what it is given", JustTheData);

    /// <summary>Setting one field of a union sets the others, each in its own form: a bool becomes 0 or 1.</summary>
    public static Suspicion OfSharedMemory(Type type) =>
        new($"fields of {ReadableName.Of(type)} share their memory and not each can hold the others' bits", "send the one field that counts, and which it is");

    public static Suspicion OfCallbacks(Type type) => new($"{ReadableName.Of(type)} is called when it is written or read and may change itself then", JustTheData);

    public static Suspicion OfNames(Type type) =>
        new($"names of members of {ReadableName.Of(type)} differ in case only and its constructor's parameters get each other's values", "give them names that differ in more");

    /// <summary>Keys that were changed since they were added may be equal by now; others equal nothing but themselves, not even their copies.</summary>
    public static Suspicion OfKeys(Type collection, Type key) => new(
        $"{ReadableName.Of(collection)} finds its {ReadableName.Of(key)} by what they are equal to, which their copies aren't",
        $"send a List, and make the {ReadableName.Of(collection)} inside the function; or have {ReadableName.Of(key)} be equal by values that don't change, as records are");
}
